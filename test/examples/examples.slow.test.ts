import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { hasNative } from "../helpers/native.ts";

const root = join(import.meta.dirname, "../..");

/** Runs an example from the root as its reader would; the package must have been built. */
async function run(example: string, ...args: string[]): Promise<string> {
  const main = `examples/${example}/main.ts`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", main, ...args],
    {
      cwd: root,
      maxBuffer: 2 ** 24,
    },
  );
  return stdout;
}

interface Report {
  backend: string;
  rows: { model: string; bleu: number; signature: string; bytes: number; step: number | null }[];
  parity: { codes: number; different: number };
}

describe("the examples", () => {
  it("train a quantized layer of one's own", async () => {
    const [loss] = (await run("quantized-layer")).split("\n");
    const [first, last] = /loss (\S+) -> (\S+)/.exec(loss!)!.slice(1).map(Number);
    expect(last!).toBeLessThan(0.1 * first!);
  });

  it.skipIf(!hasNative)("train a plain model by a captured step", async () => {
    const said = await run("captured-step");
    const [, times] = /([\d.]+) times faster/.exec(said)!;
    // Seen: 5 to 13; a machine at work on something else gives less.
    expect(Number(times)).toBeGreaterThan(1);
    const [, difference] = /largest difference of a loss: (\S+)/.exec(said)!;
    expect(Number(difference)).toBeLessThan(1e-5);
  });

  it("translate, fine-tune and inspect a GNMT", async () => {
    const said = await run("gnmt", "5");
    expect(said).toMatch(/float {2}\S.*\nfloat {2}\S.*\nint8 {3}\S.*\nint8 {3}\S/);
    expect(said).toMatch(/eltwiseadd_cell\/output +16 bits +-\d/);
    expect(said).toMatch(/fc_gate_h\/kernel \[160, 640\] begins with -?\d/);
  });

  it("walk the GNMT notebook, down with average clips and up again", async () => {
    const said = await run("gnmt-notebook", "--limit", "12");
    expect(said).toMatch(/^PARTIAL: 12 of 700/m);
    const rows = said.split("\n\n")[1]!.trim().split("\n").slice(1);
    const scores = rows.map((row) => Number(/ (\d+\.\d+) /.exec(row)![1]));
    expect(scores).toHaveLength(7);
    const [float, , , average, attention, both, own] = scores as [number, ...number[]];
    expect(average!).toBeLessThan(float - 8);
    expect(attention!).toBeGreaterThan(average! + 3);
    expect(both!).toBeGreaterThan(average! + 3);
    expect(own!).toBeGreaterThan(float - 3);
  });

  it("turn the shipped float model into int8 models that score the same", async () => {
    const report = JSON.parse(await run("quickstart", "--json")) as Report;
    expect(report.backend).toBe("wasm");
    expect(report.rows.map(({ model }) => model)).toEqual(["float", "ptq_int8", "qat_int8"]);
    const [float, ptq, qat] = report.rows;
    expect(float!.bleu).toBeGreaterThan(24);
    expect(ptq!.bleu).toBeGreaterThan(float!.bleu - 1);
    expect(qat!.bleu).toBeGreaterThan(float!.bleu - 1);
    expect(Math.max(ptq!.bytes, qat!.bytes)).toBeLessThanOrEqual(0.27 * float!.bytes);
    expect(report.parity.codes).toBeGreaterThan(1_000_000);
    expect(report.parity.different).toBe(0);

    const matrix = await run("view-quant-weight", "runs/quickstart/qat/best");
    expect(matrix).toMatch(/shape \[ 128, 512 \] output_min -\d\.\d+ output_max \d\.\d+/);
  });
});
