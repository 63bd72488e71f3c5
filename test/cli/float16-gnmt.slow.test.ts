/** The shipped GNMT with parts in half precision: its export translates as the model does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { ROOT, shippedLines } from "../helpers/shipped-text.ts";
import { cli } from "./capture-io.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "float16-gnmt-"));
  const overrides = ".*eltwise.*: {fp16: true}\ndecoder.classifier.classifier: {fp16: true}\n";
  writeFileSync(at("overrides.yaml"), overrides);
  for (const language of ["en", "de"] as const) {
    const lines = shippedLines("test", language).slice(0, 20);
    writeFileSync(at(language), lines.map((line) => `${line}\n`).join(""));
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it.each(["none", "distiller-2019"])("under the placement of %s", async (compat) => {
  const [model, int8] = [at(compat), at(`${compat}-int8`)];
  const float = join(ROOT, "pretrained/gnmt-lohelp");
  const settings = ["--overrides", at("overrides.yaml"), "--quant_compat", compat];
  expect(await cli(["quantize", float, "-o", model, ...settings])).toMatchObject({ code: 0 });
  expect(await cli(["export", model, "--output", int8])).toMatchObject({ code: 0 });
  const scores: number[] = [];
  const texts: string[] = [];
  for (const path of [model, int8]) {
    const data = ["--src_file", at("en"), "--trg_file", at("de"), "--backend", "wasm", "--json"];
    const run = await cli(["evaluate", path, ...data]);
    expect(run.code).toBe(0);
    scores.push((JSON.parse(run.out) as { score: number }).score);
    const output = `${path}.txt`;
    await cli(["predict", path, at("en"), "--output", output, "--backend", "wasm"]);
    texts.push(readFileSync(output, "utf8"));
  }
  expect(texts[0]!.split("\n")).toHaveLength(21);
  expect(texts[1]).toBe(texts[0]);
  expect(scores[0]).toBeGreaterThan(15);
  expect(scores[1]).toBe(scores[0]);
  const { tensors } = readSafetensors(readFileSync(join(int8, "model.int8.safetensors")), int8);
  const half = [...tensors].filter(([, { dtype }]) => dtype === "F16").map(([name]) => name);
  expect(half.sort()).toEqual([
    "SequenceToSequence/decoder/att_rnn/attn/linear_att",
    "SequenceToSequence/decoder/classifier/classifier/kernel",
  ]);
});
