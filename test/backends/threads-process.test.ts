import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { selectBackend, type BackendReport } from "../../src/backends/select.ts";
import { trainSteps, type StepsRun } from "./threads-run.ts";

const script = new URL("threads-process.ts", import.meta.url).pathname;

interface Line {
  readonly report: BackendReport;
  readonly result: StepsRun;
  readonly changed: readonly string[];
  readonly divided: readonly string[];
}

/** Runs the process to its end. */
async function lines(threads: readonly number[]): Promise<Line[]> {
  const argv = ["--import", "tsx", script, ...threads.map(String)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { timeout: 60_000 });
  expect(stderr).toBe("");
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

describe("a process with threads", () => {
  it("trains to the bits of one thread, leaves nothing changed, and ends", async () => {
    const one = await selectBackend("wasm");
    const expected = await trainSteps();
    const numbers = [2, 3, 1];
    const runs = await lines(numbers);
    expect(runs.map(({ report }) => report)).toEqual(
      numbers.map((threads) => ({ ...one, threads })),
    );
    for (const { result, changed } of runs) {
      expect(result).toEqual(expected);
      expect(changed).toEqual([]);
    }
    const names = ["attentionSoftmax", "crossEntropy", "gemmRows"];
    expect(runs.map(({ divided }) => divided)).toEqual([names, names, []]);
  });
});

describe("threads that cannot be had", () => {
  it("are one, with a reason, where the backend has started without", async () => {
    await selectBackend("wasm");
    const { threads, notice } = await selectBackend("wasm", { threads: 2 });
    expect(threads).toBe(1);
    expect(notice).toMatch(/^threads: expected 2, received 1: .* Ask for threads when it is first/);
    const { notice: none } = await selectBackend("wasm");
    expect(none).toBeNull();
  });

  it("are an error with another backend, or where they are no number of threads", async () => {
    const onCpu = selectBackend("cpu", { threads: 2 });
    await expect(onCpu).rejects.toThrow(/expected 1 with the backend .*received 2\. Use the/);
    for (const threads of [0, 17, 1.5, NaN]) {
      const wrong = selectBackend("wasm", { threads });
      await expect(wrong).rejects.toThrow(/expected a whole number from 1 to 16, received/);
    }
    expect(tf.getBackend()).toBe("wasm");
  });
});
