import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCheckpoint } from "../../src/train/checkpoint-store.ts";
import { cli } from "../cli/capture-io.ts";

const SOURCE = ["a b c", "b c", "c a b a", "a a", "b", "c c b a", "a c", "b a c"];
const TARGET = ["x y z", "y z", "z x y x", "x x", "y", "z z y x", "x z", "y x z"];

let directory = "";
let configs = "";
const at = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "run-"));
  const write = (name: string, lines: readonly string[]): void => {
    writeFileSync(at(name), lines.map((line) => `${line}\n`).join(""));
  };
  write("train.src", SOURCE);
  write("train.trg", TARGET);
  write("vocab.src", ["a", "b", "c"]);
  write("vocab.trg", ["x", "y", "z"]);
  write("data.yml", [
    "dataset.params: {src_file: train.src, trg_file: train.trg}",
    "src_data_pipeline.params: {language: en, vocab_path: vocab.src}",
    "trg_data_pipeline.params: {language: en, vocab_path: vocab.trg}",
    "task.params: {batch_size: 4, max_src_len: 8, max_trg_len: 8}",
    "seed: 3",
    "backend: cpu",
  ]);
  write("valid.yml", [
    "validator: SeqGenerationValidator",
    "validator.params:",
    "  eval_dataset.params: {src_file: train.src, trg_file: train.trg}",
    "  eval_metric: chrf",
    "  eval_search_method: greedy_search",
    "  eval_search_method.params: {extra_decode_length: 2}",
    "  eval_steps: 2",
    "  eval_top_checkpoints_to_keep: 1",
  ]);
  configs = `${at("data.yml")},${at("valid.yml")}`;
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** A training command without quantization. */
function train(modelDir: string, ...more: string[]): string[] {
  return [
    ...["run_exp", "--config_paths", configs, "--hparams_set", "transformer_toy"],
    ...["--model_dir", at(modelDir), "--train_steps", "4", "--json", ...more],
  ];
}

describe("run_exp", () => {
  it("trains, keeps the best, and says so when there is nothing left to do", async () => {
    const first = await cli(train("float"));
    expect(first).toMatchObject({ code: 0 });
    const report = JSON.parse(first.out) as { status: string; best: { step: number } };
    expect(report).toMatchObject({ status: "finished", step: 4, target_step: 4, backend: "cpu" });
    expect(existsSync(at("float/best/model_configs.yml"))).toBe(true);
    expect(existsSync(at("float/best/vocab.trg"))).toBe(true);
    const again = await cli(train("float"));
    expect(JSON.parse(again.out)).toMatchObject({ status: "already_finished", best: report.best });
  });

  it("fine-tunes with quantization from a pretrained model, calibrating what is not given", async () => {
    const quant = [
      "--pretrain_model",
      at("float/best"),
      "--enable_quant",
      "--initial_global_step",
      "100",
    ];
    const { code, out, err } = await cli(train("qat", ...quant));
    expect(err).toMatch(/calibrated \d+ clips on 4 batches/);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ status: "finished", step: 104 });
    expect(readFileSync(at("qat/best/model_configs.yml"), "utf8")).toContain("enable_quant: true");
    // The calibrated model is the first candidate, without eval_on_begin.
    expect(readFileSync(at("qat/metrics.jsonl"), "utf8")).toMatch(/"validation","step":100,/);
    expect(readFileSync(at("float/metrics.jsonl"), "utf8")).not.toMatch(/"step":0,/);
  });

  it("loads the variables of a pretrained model that a pattern chooses", async () => {
    const some = ["--train_steps", "0", "--pretrain_variable_pattern", "^[^/]*/TransformerEncoder"];
    const { code, err } = await cli(train("some", "--pretrain_model", at("float/best"), ...some));
    expect(code).toBe(0);
    expect(err).toMatch(/\d+ of \d+ variables match pretrain_variable_pattern; the others keep/);
    await cli(train("none", "--train_steps", "0"));
    const [loaded, pretrained, initial] = ["some", "float/best", "none"].map(
      (name) => loadCheckpoint(at(name)).weights,
    );
    for (const [name, { data }] of loaded!) {
      const source = name.includes("TransformerEncoder") ? pretrained : initial;
      expect(data, name).toEqual(source!.get(name)!.data);
    }
    const refused = async (...more: string[]): Promise<string> =>
      (await cli(train("refused", ...more))).err;
    const from = ["--pretrain_model", at("float/best"), "--pretrain_variable_pattern"];
    expect(await refused(...from, "Enkoder")).toMatch(/matches some of .* which matches none/);
    expect(await refused(...from, "(")).toMatch(/expected a regular expression, received "\("/);
    expect(await refused("--pretrain_variable_pattern", "kernel")).toMatch(
      /expected pretrain_model with it/,
    );
    expect(existsSync(at("refused"))).toBe(false);
  });

  it("stops at an interruption with a checkpoint, exit 130, and goes on to the same bytes", async () => {
    const weights = (name: string): Buffer => readFileSync(at(`${name}/ckpt-4.safetensors`));
    const stop = new AbortController();
    let steps = 0;
    const now = (): number => {
      if (++steps > 8) stop.abort();
      return steps;
    };
    const interrupted = await cli(train("killed"), { signal: stop.signal, now });
    expect(interrupted.code).toBe(130);
    expect(JSON.parse(interrupted.out)).toMatchObject({ status: "interrupted" });
    const resumed = await cli(train("killed"));
    expect(JSON.parse(resumed.out)).toMatchObject({ status: "finished", step: 4 });
    expect(weights("killed").equals(weights("float"))).toBe(true);
  });

  it("keeps its linear schedule where the command that goes on lacks initial_global_step", async () => {
    const linear = ["--lr_schedule", "linear", "--warmup_steps", "1"];
    const started = [...linear, "--initial_global_step", "100"];
    await cli(train("linear", ...started));
    const stop = new AbortController();
    let looks = 0;
    const now = (): number => {
      if (++looks > 8) stop.abort();
      return looks;
    };
    const interrupted = await cli(train("linear-2", ...started), { signal: stop.signal, now });
    expect(interrupted.code).toBe(130);
    expect(JSON.parse((await cli(train("linear-2", ...linear))).out)).toMatchObject({ step: 104 });
    const weights = (name: string): Buffer => readFileSync(at(`${name}/ckpt-104.safetensors`));
    expect(weights("linear-2").equals(weights("linear"))).toBe(true);
  });

  it("evaluates a checkpoint with nothing but its directory and data", async () => {
    writeFileSync(
      at("predict.yml"),
      "entry.class: sequence_generator\nbackend: cpu\nmetric: chrf\n" +
        "dataset.params: {src_file: train.src, trg_file: train.trg}\n",
    );
    const argv = ["run_exp", "--config_paths", at("predict.yml"), "--model_dir", at("qat/best")];
    const { code, out } = await cli([...argv, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ name: "chrF2", sentences: 8, model: "quantized" });
    const hypotheses = readFileSync(at("qat/best/hypotheses.txt"), "utf8").split("\n");
    expect(hypotheses.length).toBe(9);
    const metrics = at("qat/best/metrics.json");
    const whole = JSON.parse(readFileSync(metrics, "utf8")) as Record<string, unknown>;
    expect(whole).toMatchObject({ name: "chrF2" });
    expect(whole).not.toHaveProperty("partial");

    const few = await cli([...argv, "--limit", "3"]);
    expect(few.out).toMatch(/^PARTIAL: 3 of 8 lines, not a score of the text$/m);
    const figures = JSON.parse(readFileSync(metrics, "utf8")) as unknown;
    expect(figures).toMatchObject({ sentences: 3, partial: true, lines: 8 });
    const first = readFileSync(at("qat/best/hypotheses.txt"), "utf8").split("\n");
    expect(first).toEqual([...hypotheses.slice(0, 3), ""]);
  });

  it("gives the loss of a data set and of each sentence", async () => {
    const data = ["--src_file", at("train.src"), "--trg_file", at("train.trg"), "--backend", "cpu"];
    const model = ["run_exp", "--model_dir", at("float/best"), "--json", ...data];
    const whole = JSON.parse((await cli([...model, "--entry", "evaluate"])).out) as { nll: number };
    await cli([...model, "--entry", "seq_eval"]);
    const lines = readFileSync(at("float/best/sentences.jsonl"), "utf8").trim().split("\n");
    const sum = lines.reduce((total, line) => total + (JSON.parse(line) as { nll: number }).nll, 0);
    expect(sum / lines.length).toBeCloseTo(whole.nll, 9);
  });

  it("judges the checkpoints of a directory", async () => {
    const argv = ["run_exp", "--config_paths", configs, "--model_dir", at("float"), "--json"];
    const waits = [
      "--entry",
      "validation",
      "--maximum_waiting_time",
      "0.2",
      "--waiting_interval",
      "0.1",
    ];
    const { code, out } = await cli([...argv, ...waits], { now: () => performance.now() / 1000 });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ checkpoints: [{ step: 4 }], best: { step: 4 } });
  });

  it("refuses to train where a finished model lies, and a float model as a quantized one", async () => {
    const foreign = await cli([
      ...train("x"),
      "--model_dir",
      "pretrained/transformer-lohelp",
      "--hparams_set",
      "transformer_128_3e_3d_4h",
      "--modality.share_source_target_embedding",
    ]);
    expect(foreign.err).toContain("holds a finished model. Give it as --pretrain_model");
    const data = ["--src_file", at("train.src"), "--backend", "cpu", "--enable_quant"];
    const float = await cli(["run_exp", "--entry", "predict", "--model_dir", at("float"), ...data]);
    expect(float).toMatchObject({ code: 2, out: "" });
    expect(float.err).toContain("Train it with --enable_quant first");
  });

  it("refuses a pretrained model with another vocabulary, before anything is written", async () => {
    for (const tokens of ["x\ny\nz\nw\n", "x\nz\ny\n"]) {
      writeFileSync(at("vocab.other"), tokens);
      const other = ["--trg_data_pipeline.vocab_path", at("vocab.other")];
      const { code, err } = await cli(
        train("misfit", "--pretrain_model", at("float/best"), ...other),
      );
      expect(code).toBe(3);
      expect(err).toMatch(
        /target vocabulary, id \d: expected ("y"|no token) as in the vocabulary of/,
      );
      expect(existsSync(at("misfit"))).toBe(false);
    }
  });

  it("refuses to go on with another quantization", async () => {
    const quant = [
      "--pretrain_model",
      at("float/best"),
      "--enable_quant",
      "--initial_global_step",
      "100",
    ];
    const { code, err } = await cli(train("qat", ...quant, "--quant_params", "{quant_bits: 4}"));
    expect(code).toBe(2);
    expect(err).toMatch(
      /quant_params\.quant_weight_bits: expected 8 as in .*model_configs.yml, received 4\./,
    );
    expect((await cli(train("qat", "--enable_quant=false"))).err).toMatch(
      /enable_quant: expected true/,
    );
  });

  it("with 0 steps only calibrates and judges", async () => {
    const quant = ["--pretrain_model", at("float/best"), "--enable_quant", "--train_steps", "0"];
    const { code, out } = await cli(train("ptq", ...quant));
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ status: "finished", step: 0, best: { step: 0 } });
  });
});

describe("other commands", () => {
  it("predicts with an ensemble of model directories", async () => {
    const argv = (models: readonly string[]): string[] => [
      ...["run_exp", "--config_paths", at("predict.yml"), "--json"],
      ...["--model_dir", models.map(at).join(",")],
      ...["--output_file", at("ensemble.txt"), "--save_metric", at("ensemble.json")],
    ];
    const alone = JSON.parse((await cli(argv(["float"]))).out) as { score: number };
    const twins = JSON.parse((await cli(argv(["float", "float"]))).out) as { score: number };
    expect(twins).toMatchObject({ ensemble: 2, score: alone.score });
    const mixed = await cli(argv(["float", "qat/best"]));
    expect(mixed.code).toBe(0);
    expect(JSON.parse(mixed.out)).toMatchObject({ ensemble: 2, sentences: SOURCE.length });
    const { code, err } = await cli(train("float,qat"));
    expect(code).toBe(2);
    expect(err).toMatch(/model_dir: expected one directory, received 2\. Only the entry predict/);
  });

  it("export, inspect and predict agree on the integers", async () => {
    const kernel = ["--weight", "encoder/layer_0/ffn/dense1/kernel", "--json"];
    const exported = await cli(["export", at("qat/best"), "--output", at("int8"), "--json"]);
    expect(exported.code).toBe(0);
    const trained = JSON.parse((await cli(["inspect", at("qat/best"), ...kernel])).out) as Record<
      string,
      unknown
    >;
    const deployed = JSON.parse((await cli(["inspect", at("int8"), ...kernel])).out) as Record<
      string,
      unknown
    >;
    expect(trained).toMatchObject({ format: "quantized", dtype: "int8", bits: 8, shape: [8, 10] });
    for (const key of [
      "codes",
      "scale",
      "clip",
      "output_min",
      "output_max",
      "used_levels",
      "saturated",
    ]) {
      expect(deployed[key]).toEqual(trained[key]);
    }
    const input = SOURCE.join("\n");
    const fromCheckpoint = await cli(["predict", at("qat/best"), "--backend", "cpu"], { input });
    const fromExport = await cli(["predict", at("int8"), "--backend", "cpu"], { input });
    expect(fromExport.out).toBe(fromCheckpoint.out);
    expect(fromExport.out.split("\n").length).toBe(9);
  });

  it("inspect shows the matrix, the table, and float models as float", async () => {
    const matrix = await cli([
      "inspect",
      at("qat/best"),
      "--weight",
      "encoder/layer_0/ffn/dense1/kernel",
    ]);
    expect(matrix.out).toMatch(/\[\[ *-?\d+, +-?\d+, +-?\d+, \.\.\., /);
    expect(matrix.out).toMatch(
      /shape \[8, 10\], int8 \(8 bits\)\noutput_min -[\d.e-]+\noutput_max/,
    );
    expect((await cli(["inspect", at("qat/best")])).out).toMatch(
      /dense1\/kernel +\[8, 10\] +int8 +8/,
    );
    const float = await cli([
      "inspect",
      at("float/best"),
      "--weight",
      "encoder/layer_0/ffn/dense1/kernel",
    ]);
    expect(float.out).toContain("not quantized in this float model");
    const wrong = await cli([
      "inspect",
      at("float/best"),
      "--weight",
      "encoder/layer_0/ffn/dense1/kernl",
    ]);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('Did you mean "encoder/layer_0/ffn/dense1/kernel"?');
  });

  it("average makes a model directory that works by itself", async () => {
    const { code } = await cli([
      "average",
      at("float/best"),
      at("float/ckpt-4.safetensors"),
      "--output",
      at("mean"),
    ]);
    expect(code).toBe(0);
    const { out } = await cli(["predict", at("mean"), "--backend", "cpu"], { input: "a b\n" });
    expect(out.split("\n").length).toBe(2);
    expect((await cli(["export", at("mean"), "--output", at("no")])).code).toBe(1);
  });
});
