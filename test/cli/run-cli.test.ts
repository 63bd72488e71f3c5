import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { describeError, exitCodeOf } from "../../src/cli/run-cli.ts";
import {
  CheckpointError,
  ConfigError,
  DataError,
  ExportError,
  FormatError,
  KernelError,
  ShapeError,
  TrainingError,
  UnknownNameError,
} from "../../src/errors.ts";
import { cli } from "./capture-io.ts";

const DEV = "data/lohelp-en-de/dev.de";
const GREEDY = "pretrained/transformer-lohelp/dev.greedy.de";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "cli-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("help", () => {
  it("lists every command", async () => {
    const { code, out } = await cli(["--help"]);
    expect(code).toBe(0);
    const width = Math.max(...COMMANDS.map(({ name }) => name.length));
    for (const { name, summary } of COMMANDS)
      expect(out).toContain(`${name.padEnd(width)}  ${summary}`);
  });

  it("asks for a command where none is given", async () => {
    expect((await cli([])).code).toBe(2);
  });

  it.each(COMMANDS.map(({ name }) => name))(
    "of %s shows flags, defaults and examples",
    async (name) => {
      const { code, out } = await cli([name, "--help"]);
      expect(code).toBe(0);
      expect(out).toContain(`tfjs-qat ${name}`);
      expect(out).toContain("--json");
      expect(out).toContain("Examples:");
    },
  );

  it("of run_exp groups the keys by section and names values and defaults", async () => {
    const { out } = await cli(["run_exp", "--help"]);
    expect(out).toMatch(/entry \(what the run does\):/);
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "--save_checkpoint_steps steps between two checkpoints (whole number of at least 1) [default: 1000]",
    );
    expect(out).not.toContain("save_checkpoints_steps");
  });

  it("prints the package's version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect((await cli(["--version"])).out).toBe(`${version}\n`);
  });
});

describe("flags", () => {
  const score = ["score", "--ref", DEV, "--hyp", GREEDY];
  let small: string[] = [];
  beforeAll(() => {
    const ref = file("small.ref", "The house is small .\nA dog barks .\n");
    small = [
      "score",
      "--ref",
      ref,
      "--hyp",
      file("small.hyp", "the house is small .\nA cat barks .\n"),
    ];
  });

  it("are accepted in snake_case and kebab-case, with = and without", async () => {
    const runs = await Promise.all([
      cli([...small, "--smooth_method", "none", "--json"]),
      cli([...small, "--smooth-method", "none", "--json"]),
      cli([...small, "--smooth-method=none", "--json"]),
      cli(["score", "--json", "--smooth_method=none", `--ref=${small[2]!}`, `--hyp=${small[4]!}`]),
    ]);
    for (const run of runs) expect(run).toEqual(runs[0]);
    expect(runs[0].out).toContain("smooth:none");
  });

  it("mean what the chosen class says", async () => {
    const argv = ["run_exp", "--print_config", "--search_method", "top_sampling", "--top_k", "0"];
    expect((await cli(argv)).out).toMatch(/search_method\.top_k: 0 +# flags/);
  });

  it("that are boolean can be false", async () => {
    for (const flag of ["--lowercase=false", "--no-lowercase", "--no_lowercase"].slice(0, 2)) {
      expect((await cli([...small, "--lowercase", flag, "--json"])).out).toContain("case:mixed");
    }
    expect((await cli([...small, "--lowercase", "--json"])).out).toContain("case:lc");
  });

  const wrong: [string, string[], string][] = [
    ["an unknown command", ["scor"], 'received "scor". Did you mean "score"?'],
    [
      "an unknown flag",
      [...score, "--lower_case"],
      'received "--lower_case". Did you mean "--lowercase"?',
    ],
    ["an unknown kebab flag", [...score, "--lower-cas"], 'Did you mean "--lowercase"?'],
    [
      "a wrong choice",
      [...score, "--metric", "ter"],
      '--metric: expected one of "bleu", "chrf", received "ter".',
    ],
    [
      "a wrong number",
      [...score, "--word_order", "two"],
      '--word_order: expected a whole number from 0 to 6, received "two".',
    ],
    [
      "a flag without value",
      ["score", "--hyp"],
      "--hyp: expected text, received nothing. Write --hyp=<value>.",
    ],
    [
      "a missing flag",
      ["score", "--hyp", GREEDY],
      "--ref: expected a list of texts, received nothing.",
    ],
    ["a stray word", [...score, "extra"], 'tfjs-qat score: expected flags only, received "extra".'],
    ["an unknown recipe key", ["run_exp", "--trian_steps", "5"], 'Did you mean "--train_steps"?'],
    [
      "a bad recipe value",
      ["run_exp", "--eval_steps", "0"],
      "--eval_steps: expected a whole number of at least 1, received 0.",
    ],
    [
      "bad YAML in a flag",
      ["run_exp", "--quant_params", "{'quant_bits': "],
      "--quant_params, line",
    ],
    [
      "a bad key in a flag",
      ["run_exp", "--quant_params", "{'quant_bit': 8}"],
      'received "quant_bit". Did you mean "quant_bits"?',
    ],
    [
      "__proto__ in a flag",
      ["run_exp", "--dataset.params", "{__proto__: {a: 1}}"],
      'received "__proto__"',
    ],
    [
      "an unknown set",
      ["run_exp", "--hparams_set", "transformer_bse"],
      'Did you mean "transformer_base"?',
    ],
    [
      "no model directory",
      ["run_exp", "--backend", "wasm"],
      "model_dir: expected the directory of the model, received nothing.",
    ],
  ];
  it.each(wrong)("name %s and exit with 2", async (_, argv, message) => {
    const { code, out, err } = await cli(argv);
    expect(err).toContain(message);
    expect(err).not.toContain("    at ");
    expect([code, out]).toEqual([2, ""]);
  });
});

describe("data", () => {
  it("gives one JSON object and nothing else", async () => {
    const { code, out, err } = await cli(["score", "--ref", DEV, "--hyp", GREEDY, "--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({ name: "BLEU", sentences: 1220 });
    expect((JSON.parse(out) as { score: number }).score).toBeCloseTo(33.79, 2);
  });

  const wrong: [string, () => string[], string][] = [
    ["a missing file", () => ["score", "--ref", join(directory, "no"), "--hyp", GREEDY], "no"],
    [
      "unequal line counts",
      () => ["score", "--ref", DEV, "--hyp", file("one.de", "a\n")],
      "expected 1220 lines",
    ],
    [
      "bytes that are not UTF-8",
      () => ["score", "--ref", DEV, "--hyp", file("latin1", Uint8Array.of(0x61, 0xe4, 0x0a))],
      "UTF-8",
    ],
    [
      "a directory without a model",
      () => ["predict", directory],
      "expected a model directory with model_configs.yml",
    ],
    [
      "a truncated checkpoint",
      () => ["inspect", file("a.safetensors", Uint8Array.of(1, 2, 3))],
      "a.safetensors",
    ],
    [
      "codes of another version",
      () => ["bpe", "apply", "--codes", file("codes", "#version: 9.9\n")],
      "version",
    ],
  ];
  it.each(wrong)("that are wrong (%s) exit with 3", async (_, argv, message) => {
    const { code, out, err } = await cli(argv());
    expect(err).toContain(message);
    expect([code, out]).toEqual([3, ""]);
  });
});

describe("errors", () => {
  it.each([
    [new ConfigError("x"), 2],
    [new UnknownNameError("x", "key", "a", ["b"]), 2],
    [new DataError("x"), 3],
    [new FormatError("x"), 3],
    [new CheckpointError("x"), 3],
    [new ShapeError("x"), 1],
    [new KernelError("x"), 1],
    [new ExportError("x"), 1],
    [new TrainingError("x"), 1],
    [new TypeError("x"), 1],
    [Object.assign(new Error("x"), { code: "ENOENT" }), 3],
  ])("%s exits with %i", (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it("show their stack and cause with --debug alone", () => {
    const error = new ConfigError("outer", { cause: new Error("inner") });
    expect(describeError(error, false)).toBe("error: outer");
    expect(describeError(error, true)).toMatch(/outer[^]*at [^]*Caused by: Error: inner/);
  });
});

describe("text tools", () => {
  it("learn merges, apply them and count the vocabulary", async () => {
    const text = file("text", "low lower lowest\nnew newer newest wide wider\n");
    const codes = join(directory, "codes.bpe");
    const learnt = await cli([
      "bpe",
      "learn",
      "--input",
      text,
      "--codes",
      codes,
      "--symbols",
      "6",
      "--json",
    ]);
    expect(learnt).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(learnt.out)).toEqual({ output: codes, merges: 6 });
    const applied = await cli(["bpe", "apply", "--codes", codes], { input: "lower newest\n" });
    expect(applied.code).toBe(0);
    expect(applied.out.replaceAll("@@ ", "")).toBe("lower newest\n");
    const segmented = file("segmented", applied.out);
    const vocabulary = join(directory, "vocab.txt");
    expect((await cli(["vocab", "--input", segmented, "--output", vocabulary])).code).toBe(0);
    const tokens = readFileSync(vocabulary, "utf8").trim().split("\n").sort();
    expect(tokens).toEqual([...new Set(applied.out.trim().split(" "))].sort());
  });
});

describe("the program", () => {
  /** Files that load when `path` does: its static imports, types left out. */
  function loadedBy(path: string, seen = new Set<string>()): Set<string> {
    if (seen.has(path)) return seen;
    seen.add(path);
    const code = readFileSync(path, "utf8");
    for (const [, clause, target] of code.matchAll(
      /^(?:import|export) ([^;]*?)from "([^"]+)";/gm,
    )) {
      const names = /\{([^}]*)\}/.exec(clause!)?.[1] ?? "";
      const isType =
        clause!.startsWith("type ") ||
        (names !== "" && names.split(",").every((n) => /^\s*(type .*)?$/.test(n)));
      if (isType) continue;
      if (target!.startsWith(".")) loadedBy(join(dirname(path), target!), seen);
      else seen.add(target!);
    }
    return seen;
  }

  it("starts without TensorFlow.js, and so do score, inspect of exports and the text tools", () => {
    const light = [
      "cli/main",
      "cli/commands/score",
      "cli/commands/run-exp",
      "recipe/score-files",
      "recipe/text-tools",
      "recipe/sources",
      "recipe/inspect-model",
    ];
    for (const name of light) {
      const files = [...loadedBy(`src/${name}.ts`)];
      expect(files.length).toBeGreaterThan(5);
      expect(files.filter((file) => file.startsWith("@tensorflow"))).toEqual([]);
    }
    expect([...loadedBy("src/recipe/run.ts")]).toContain("@tensorflow/tfjs");
  });

  it("shows help in well under half a second, the overview without loading a command", async () => {
    await cli(["run_exp", "--help"]);
    const start = performance.now();
    for (const argv of [["--help"], ["score", "--help"], ["run_exp", "--help"]]) await cli(argv);
    expect(performance.now() - start).toBeLessThan(1500);
    // The overview needs no flags: yargs and zod stay on the disk.
    const files = [...loadedBy("src/cli/main.ts")];
    expect(files.filter((name) => ["yargs", "yargs/helpers", "zod"].includes(name))).toEqual([]);
  });

  it("runs as a process: output, exit status and message", () => {
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...argv], {
        encoding: "utf8",
      });
    expect(run("bogus")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(
        /^error: tfjs-qat: expected a known command, .* lists them/,
      ) as string,
    });
  });
});
