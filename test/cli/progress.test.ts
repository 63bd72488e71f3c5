import { expect, it } from "vitest";
import { durationText, terminalReporter } from "../../src/cli/progress.ts";

function recorder(isTerminal: boolean) {
  const written: string[] = [];
  let time = 0;
  const io = {
    err: (line: string) => written.push(`${line}\n`),
    draw: (text: string) => written.push(text),
    isTerminal,
    hasColor: false,
    columns: 80,
    now: () => time,
  };
  return { io, written, wait: (seconds: number) => (time += seconds) };
}

it("writes plain lines now and then where there is no terminal", () => {
  const { io, written, wait } = recorder(false);
  const bar = terminalReporter(io).progress("train", "steps");
  for (let step = 1; step <= 30; step++) {
    wait(1);
    bar.update(step, 30, `loss ${step}`);
  }
  bar.end();
  expect(written).toEqual([
    "train  10/30  0.90 steps/s, 22 s left  loss 10\n",
    "train  20/30  0.95 steps/s, 11 s left  loss 20\n",
    "train  30/30  0.97 steps/s  loss 30\n",
  ]);
});

it("draws one line over and over on a terminal, and lets notes stand above it", () => {
  const { io, written, wait } = recorder(true);
  const reporter = terminalReporter(io);
  const bar = reporter.progress("translate", "sentences");
  wait(1);
  bar.update(0, 4);
  wait(1);
  bar.update(2, 4);
  reporter.note("a note");
  bar.end();
  const text = written.join("");
  expect(text).toContain(
    "\r\u001b[Ktranslate  ████████████░░░░░░░░░░░░  2/4  1.0 sentences/s, 2 s left",
  );
  expect(text).toContain("\r\u001b[Ka note\n");
  expect(text.endsWith("\n")).toBe(true);
});

it("writes times in words", () => {
  expect([0.4, 59, 61, 3700].map(durationText)).toEqual(["0 s", "59 s", "1 min 1 s", "1 h 1 min"]);
});
