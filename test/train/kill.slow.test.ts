import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { filesOf } from "./tiny-run.ts";
import { temporaryDirectory } from "./tiny-test.ts";

const script = new URL("tiny-process.ts", import.meta.url).pathname;

/** Runs the process; kills it so many milliseconds after it has opened the model directory. */
function run(modelDir: string, killAfter: number | null): Promise<number | "killed"> {
  const child = spawn(process.execPath, ["--import", "tsx", script, modelDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.once("data", () => {
    if (killAfter !== null) setTimeout(() => child.kill("SIGKILL"), killAfter);
  });
  return new Promise((resolve) => {
    child.once("exit", (code) => {
      resolve(code ?? "killed");
    });
  });
}

it("ends with the same bytes however often the process is killed", async () => {
  const whole = temporaryDirectory();
  const startedAt = performance.now();
  expect(await run(whole, null)).toBe(0);
  const seconds = performance.now() - startedAt;
  const broken = temporaryDirectory();
  const random = new RandomStream({ seed: 9, stream: 0 });
  let kills = 0;
  for (let attempt = 0; attempt < 40 && kills < 12; attempt++) {
    const ended = await run(broken, (random.uniform() * seconds) / 6);
    if (ended !== "killed") break;
    kills++;
  }
  expect(kills).toBeGreaterThan(2);
  expect(await run(broken, null)).toBe(0);
  const [received, expected] = [filesOf(broken), filesOf(whole)];
  expect(Object.keys(received)).toEqual(Object.keys(expected));
  for (const [name, bytes] of Object.entries(expected)) {
    expect(received[name] === bytes, name).toBe(true);
  }
});
