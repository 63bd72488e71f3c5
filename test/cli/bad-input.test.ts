/** What users get wrong: one clear line, the right exit code, nothing lost. */
import { afterAll, beforeAll, describe, it } from "vitest";
import {
  at,
  copyOf,
  expectError,
  fineTune,
  makeModels,
  put,
  removeModels,
  train,
} from "./bad-input-cases.ts";

const score = (ref: string, hyp: string): string[] => ["score", "--ref", at(ref), "--hyp", at(hyp)];

/** What it is, the command line, the exit code, the message. */
type Case = [string, () => string[], number, RegExp];

const FLAGS: Case[] = [
  ["an unknown command", () => ["skore"], 2, /received "skore"\. Did you mean "score"\?/],
  ["an unknown flag", () => ["score", "--hype", "x"], 2, /"--hype"\. Did you mean "--hyp"\?/],
  ["a flag like none", () => ["score", "--xyzzy"], 2, /"tfjs-qat score --help" lists them/],
  [
    "a list given twice",
    () => ["score", "--ref", "a", "--ref", "b", "--hyp", "c"],
    2,
    /--ref: .* once/,
  ],
  [
    "a negative count",
    () => ["run_exp", "--train_steps", "-1"],
    2,
    /--train_steps: .* received -1/,
  ],
  ["a misplaced key", () => train("new", "--quant_bits", "1"), 2, /--quant_params "\{quant_bits/],
  ["its kebab spelling", () => train("new", "--quant-bits=1"), 2, /--quant_params "\{quant_bits/],
  ["a misspelt key", () => fineTune("--quant_params", "{'quant_bit':8}"), 2, /mean "quant_bits"\?/],
  ["bits 1", () => fineTune("--quant_params", "{quant_bits: 1}"), 2, /from 2 to 8, received 1\./],
  ["bits 9", () => fineTune("--quant_params", "{quant_bits: 9}"), 2, /from 2 to 8, received 9\./],
  ["a clip that is NaN", () => fineTune("--quant_params", "{quant_act_clip_max: .nan}"), 2, /NaN/],
  ["no YAML", () => fineTune("--quant_params", "{: :"), 2, /--quant_params, line 1: expected YAML/],
  ["no mapping", () => fineTune("--quant_params", "[1]"), 2, /expected keys and values/],
  [
    "a pattern without a match",
    () => fineTune("--quant_params", "{overrides: [{match: encoder/*/fnn/**, enable: false}]}"),
    2,
    /"encoder\/\*\/fnn\/\*\*", which matches none/,
  ],
  ["an unknown backend", () => fineTune("--backend", "wsam"), 2, /received "wsam"/],
  ["no threads", () => fineTune("--threads", "0"), 2, /--threads: .*from 1 to 16, received 0/],
  ["half a thread", () => fineTune("--threads", "1.5"), 2, /--threads: expected a whole number/],
  [
    "threads on cpu",
    () => fineTune("--backend", "cpu", "--threads", "2"),
    2,
    /threads: expected 1 with the backend "cpu", received 2/,
  ],
  [
    "another architecture",
    () => ["run_exp", "--model_dir", at("float"), "--hparams_set", "transformer_s"],
    2,
    /as in .*float\/model_configs\.yml, received/,
  ],
  [
    "another quantization",
    () => [...train("quant", "--quant_params", "{quant_weight_bits: 4}")],
    2,
    /quant_params\.quant_weight_bits: expected 8 as in/,
  ],
  ["a file as model_dir", () => train("good.txt"), 2, /model_dir: .* the file .*good\.txt\./],
  ["a path through a file", () => train("good.txt/a/b"), 2, /model_dir: .* the file .*good\.txt\./],
  [
    "a misspelt weight",
    () => ["inspect", at("quant"), "--weight", "encoder/layer_0/ffn/dense1/kernl"],
    2,
    /Did you mean "encoder\/layer_0\/ffn\/dense1\/kernel"\?/,
  ],
  [
    "export over a file",
    () => ["export", at("quant"), "--output", at("good.txt")],
    1,
    /good\.txt: expected a directory or a new path, received a file/,
  ],
  ["export of a float model", () => ["export", at("float"), "--output", at("out")], 1, /a float/],
];

const CONFIGS: [string, string | Uint8Array, number, RegExp][] = [
  ["an unknown key", "train_stepz: 5\n", 2, /train_stepz: .* Did you mean "train_steps"\?/],
  ["a misplaced key", "quant_bits: 5\n", 2, /quant_params: \{quant_bits/],
  ["a repeated key", "train_steps: 5\ntrain_steps: 6\n", 2, /, line 2: .*duplicated/],
  ["__proto__", "entry.params:\n  __proto__: {a: 1}\n", 2, /, line 2: .*"__proto__"/],
  ["a tag", 'train_steps: !!js/function "x"\n', 2, /line 1: expected YAML, received unknown/],
  ["deep nesting", `a: ${"[".repeat(5000)}${"]".repeat(5000)}\n`, 2, /depth|deep/i],
  [
    "an alias bomb",
    ["a: &a [x,x,x,x,x,x,x,x,x]", ...Array.from("bcdefgh")].reduce((text, name) => {
      const last = String.fromCharCode(name.charCodeAt(0) - 1);
      return `${text}\n${name}: &${name} [${Array(9).fill(`*${last}`).join(",")}]`;
    }),
    2,
    /at most 100000 values/,
  ],
  ["other text", "hello\n", 2, /expected keys and values/],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x61, 0x00), 3, /:1: expected UTF-8 .*UTF-16/],
];

const DATA: Case[] = [
  ["a missing file", () => score("good.txt", "no.txt"), 3, /no\.txt: .* no such file/],
  ["a directory", () => score("good.txt", "dir"), 3, /received a directory/],
  ["Latin-1", () => score("good.txt", "latin1.txt"), 3, /latin1\.txt:2: .* 0xe4 at column 2/],
  ["UTF-16", () => score("utf16.txt", "good.txt"), 3, /utf16\.txt:1: .*\(UTF-16\?\)/],
  [
    "unequal line counts",
    () => score("good.txt", "short.txt"),
    3,
    /expected 3 lines .* received 1/,
  ],
  ["no lines to score", () => score("empty.txt", "empty.txt"), 3, /at least one hypothesis/],
  ["a missing text", () => train("new", "--src_file", at("no.txt")), 3, /no\.txt: expected a text/],
  [
    "unequal training text",
    () => train("new", "--src_file", at("short.txt")),
    3,
    /received 1 in .*short\.txt and 3 in .*good\.txt/,
  ],
  [
    "empty training text",
    () => train("new", "--src_file", at("blank.txt"), "--trg_file", at("blank.txt")),
    3,
    /at least one pair .* 3 empty source \(lines 1, 2, 3\)/,
  ],
  [
    "merges of empty text",
    () => ["bpe", "learn", "--input", at("empty.txt"), "--codes", at("codes")],
    3,
    /expected a word/,
  ],
  [
    "a vocabulary of empty text",
    () => ["vocab", "--input", at("blank.txt"), "--output", at("dir/v.txt")],
    3,
    /blank\.txt: expected text with tokens/,
  ],
  [
    "a directory to write",
    () => ["vocab", "--input", at("good.txt"), "--output", at("dir")],
    3,
    /dir: expected a file that can be written, received a directory/,
  ],
  [
    "misencoded codes",
    () => ["bpe", "apply", "--codes", at("latin1.txt"), "--input", at("good.txt")],
    3,
    /latin1\.txt:2: expected UTF-8/,
  ],
  ["a missing configuration", () => ["run_exp", "--config_paths", at("no.yml")], 3, /no such file/],
  ["no model", () => ["predict", at("nowhere")], 3, /nowhere: expected .* no such directory/],
  [
    "another vocabulary",
    () => {
      const side = `{language: en, vocab_path: ${at("other-vocab.txt")}}`;
      return fineTune("--src_data_pipeline.params", side, "--trg_data_pipeline.params", side);
    },
    3,
    /vocabulary, id 1: expected "b" as in .*float, received "c"/,
  ],
  [
    "average of different models",
    () => ["average", at("quant"), at("float"), "--output", at("average")],
    3,
    /Average checkpoints of one model/,
  ],
];

describe("bad input", () => {
  beforeAll(makeModels);
  afterAll(removeModels);

  it.each(FLAGS)("on the command line: %s", (_, argv, code, message) =>
    expectError(argv(), code, message),
  );
  it.each(CONFIGS)("in a configuration file: %s", (_, content, code, message) =>
    expectError(["run_exp", "--config_paths", put("bad.yml", content)], code, message),
  );
  it.each(CONFIGS)("in model_configs.yml: %s", (name, content, _, message) => {
    const model = copyOf("float", `configs ${name}`, "model_configs.yml", content);
    // Keys that YAML allows are the configuration's fault, the rest the file's.
    const isKey = ["an unknown key", "a misplaced key"].includes(name);
    return expectError(["predict", model], isKey ? 2 : 3, message);
  });
  it.each(DATA)("in data: %s", (_, argv, code, message) => expectError(argv(), code, message));
});
