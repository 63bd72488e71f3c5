/** Texts and tiny models for tests of bad input, and what every such case must give. */
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { cli } from "./capture-io.ts";

let root = "";
let before = "";
/** A path in the directory of the tests. */
export const at = (name: string): string => join(root, name);

/** Writes a file, and the directories on the way. @returns its path */
export function put(name: string, content: string | Uint8Array): string {
  mkdirSync(join(at(name), ".."), { recursive: true });
  writeFileSync(at(name), content);
  return at(name);
}

/** A copy of a model directory with one file replaced. @returns its path */
export function copyOf(
  model: string,
  name: string,
  file: string,
  content: string | Uint8Array,
): string {
  cpSync(at(model), at(name), { recursive: true });
  put(`${name}/${file}`, content);
  return at(name);
}

export const textOf = (name: string): string => readFileSync(at(name), "utf8");
export const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(at(name)));

/** A run of one step with the tiny model. */
export const train = (modelDir: string, ...more: string[]): string[] => [
  ...["run_exp", "--config_paths", at("data.yml"), "--hparams_set", "transformer_toy"],
  ...["--model_dir", at(modelDir), "--train_steps", "1", ...more],
];
/** A quantized run from the float model. */
export const fineTune = (...more: string[]): string[] =>
  train("new", "--enable_quant", "--pretrain_model", at("float"), ...more);

/** Makes the directory: texts, and a tiny model as float, quantized and int8 export. */
export async function makeModels(): Promise<void> {
  root = mkdtempSync(join(tmpdir(), "bad-"));
  put("good.txt", "a b c\nb c\nc a b a\n");
  put("short.txt", "a b\n");
  put("empty.txt", "");
  put("blank.txt", "\n\n\n");
  put("latin1.txt", Uint8Array.of(0x61, 0x0a, 0x62, 0xe4, 0x0a, 0x63, 0x0a));
  put("utf16.txt", Uint8Array.of(0xff, 0xfe, 0x61, 0x00));
  put("dir/file", "x");
  put("vocab.txt", "a\nb\nc\n");
  put("other-vocab.txt", "a\nc\nb\n");
  put(
    "data.yml",
    [
      "dataset.params: {src_file: good.txt, trg_file: good.txt}",
      "src_data_pipeline.params: {language: en, vocab_path: vocab.txt}",
      "trg_data_pipeline.params: {language: en, vocab_path: vocab.txt}",
      "task.params: {batch_size: 4, max_src_len: 8, max_trg_len: 8}",
      "backend: cpu",
    ].join("\n"),
  );
  expect(await cli(train("float"))).toMatchObject({ code: 0 });
  const quantized = train("quant", "--enable_quant", "--pretrain_model", at("float"));
  expect(await cli(quantized)).toMatchObject({ code: 0 });
  expect(await cli(["export", at("quant"), "--output", at("int8")])).toMatchObject({ code: 0 });
  before = digest();
}

/** Removes the directory; fails if a case has changed a model or left a temporary file. */
export function removeModels(): void {
  const after = digest();
  const left = readdirSync(root).filter((name) => name.endsWith(".tmp"));
  rmSync(root, { recursive: true });
  expect(after).toBe(before);
  expect(left).toEqual([]);
}

/** One line `error: <where>: expected …, received …. <how to fix>.`, and no result. */
export async function expectError(
  argv: string[],
  exitCode: number,
  message: RegExp,
): Promise<void> {
  const { code, out, err } = await cli(argv, { input: "a b\n" });
  const last = err.trimEnd().split("\n").at(-1)!;
  expect(last).toMatch(/^error: .+: expected .+received .+[.?]$/);
  expect(last).toMatch(message);
  expect([code, out]).toEqual([exitCode, ""]);
  expect(err).not.toContain("    at ");
}

/** A digest of all files of the models that every case is derived from. */
function digest(): string {
  const hash = createHash("sha256");
  for (const model of ["float", "quant", "int8"]) {
    for (const entry of readdirSync(at(model), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      hash.update(path).update(entry.isFile() ? readFileSync(path) : "");
    }
  }
  return hash.digest("hex");
}
