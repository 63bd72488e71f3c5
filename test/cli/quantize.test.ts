import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatStatisticsYaml } from "../../src/formats/distiller-statistics.ts";
import { formatHistograms } from "../../src/formats/statistics-histograms.ts";
import type { QuantReport } from "../../src/ptq/report.ts";
import { loadModel } from "../../src/recipe/load-model.ts";
import { quantizeModel } from "../../src/ptq/quantize-model.ts";
import { statisticsFor } from "../helpers/model-statistics.ts";
import { at, expectError, makeModels, put, removeModels, textOf } from "./bad-input-cases.ts";
import { cli } from "./capture-io.ts";

beforeAll(async () => {
  await makeModels();
  const { model: float } = loadModel(at("float"));
  const { model } = quantizeModel(float);
  const statistics = statisticsFor(model, 4);
  put("stats.yaml", formatStatisticsYaml(statistics));
  put("full.yaml", formatStatisticsYaml(statistics));
  put("full.histograms.safetensors", formatHistograms(statistics));
  model.dispose();
  float.dispose();
});
afterAll(removeModels);

function quantize(output: string, ...more: string[]): string[] {
  return ["quantize", at("float"), "-o", at(output), ...more];
}

const STATS = (): string[] => ["--stats", at("stats.yaml"), "--quant_act_clip", "none"];

describe("tfjs-qat quantize", () => {
  it("writes a model that evaluate, inspect, export and predict take", async () => {
    const run = await cli(quantize("ptq", ...STATS(), "--json"));
    expect(run).toMatchObject({ code: 0, err: "" });
    const report = JSON.parse(run.out) as QuantReport;
    expect(JSON.parse(textOf("ptq/report.json"))).toMatchObject({ tensors: report.tensors });
    const kernel = report.tensors.find(({ role }) => role === "weight")!;
    expect(kernel).toMatchObject({ bits: 8, mode: "symmetric", source: "weights" });
    expect(report.tensors.filter(({ source }) => source === "live")).toEqual([]);

    const data = ["--src_file", at("good.txt"), "--trg_file", at("good.txt"), "--backend", "cpu"];
    const scored = await cli(["evaluate", at("ptq"), ...data, "--json"]);
    expect(scored.code).toBe(0);
    expect(JSON.parse(scored.out)).toMatchObject({ sentences: 3, model: "quantized" });
    const inspected = await cli(["inspect", at("ptq"), "--json"]);
    const { tensors } = JSON.parse(inspected.out) as {
      tensors: { path: string; scale: unknown }[];
    };
    expect(tensors.find(({ path }) => path === kernel.path)!.scale).toEqual(kernel.scale);
    const exported = await cli(["export", at("ptq"), "--output", at("ptq-int8")]);
    expect(exported.code).toBe(0);
    const lines = { input: "a b\n" };
    const [one, two] = [
      await cli(["predict", at("ptq"), "--backend", "cpu"], lines),
      await cli(["predict", at("ptq-int8"), "--backend", "cpu"], lines),
    ];
    expect(one).toMatchObject({ code: 0 });
    expect(two.out).toBe(one.out);
  });

  it("chooses ranges by mse where histograms lie beside the statistics", async () => {
    const run = await cli(quantize("mse", "--stats", at("full.yaml"), "--json"));
    expect(run.code).toBe(0);
    const { tensors } = JSON.parse(run.out) as QuantReport;
    const activations = tensors.filter(({ source }) => source === "statistics");
    expect(activations.length).toBeGreaterThan(5);
    expect(activations.every(({ reason }) => reason.startsWith("mse"))).toBe(true);
    expect(activations.every(({ sqnr_db: sqnr }) => sqnr !== null)).toBe(true);
  });

  it("takes ranges of the live tensors without statistics", async () => {
    const run = await cli(quantize("dynamic"));
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/range of the live tensor/);
    const data = ["--src_file", at("good.txt"), "--trg_file", at("good.txt"), "--backend", "cpu"];
    expect(await cli(["evaluate", at("dynamic"), ...data])).toMatchObject({ code: 0 });
  });

  it("quantizes an already quantized model and an int8 export as well", async () => {
    for (const source of ["quant", "int8"]) {
      const argv = ["quantize", at(source), "--output", at(`again-${source}`), ...STATS()];
      expect(await cli(argv)).toMatchObject({ code: 0 });
    }
  });

  it("shows the plan alone, and what overrides and modes make of it", async () => {
    put(
      "overrides.yaml",
      "decoder.layer_0.ffn.dense1: {bits_weights: 5, bits_bias: 32}\n.*: {clip_acts: AVG}\n",
    );
    const argv = ["quantize", at("float"), "--print_plan", "--mode", "asymmetric_signed"];
    const files = ["--stats", at("stats.yaml"), "--overrides", at("overrides.yaml")];
    const run = await cli([...argv, ...files]);
    expect(run.code).toBe(0);
    expect(run.out).toMatch(
      /^Replacing 'TokenEmbedding' layers' weights using the model's settings/,
    );
    expect(run.out).toMatch(/\(num_bits=5 ; quant_mode=ASYMMETRIC_SIGNED ; clip_mode=NONE/);
    expect(run.out).toMatch(/quant_mode=ASYMMETRIC_SIGNED ; clip_mode=AVG ; .*per_channel=False/);
    expect(run.err).toMatch(/bits_bias: no effect here/);
    const json = await cli([...argv, ...files, "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({ output: null, plan: run.out.trimEnd() });
  });

  it("takes parts in half precision from the plan to an export that translates alike", async () => {
    put("half.yaml", "decoder.layer_0.ffn.*: {fp16: true}\n");
    const run = await cli(quantize("half", "--overrides", at("half.yaml"), ...STATS()));
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/ffn\/dense1\/kernel: float16, override \S+, SQNR 7\d\.\d dB/);
    const exported = await cli(["export", at("half"), "--output", at("half-int8")]);
    expect(exported.out).toMatch(/int8 weights, 2 float16 weights, \d+ bytes/);
    const lines = { input: "a b\n" };
    const predict = async (name: string) =>
      (await cli(["predict", at(name), "--backend", "cpu"], lines)).out;
    expect(await predict("half-int8")).toBe(await predict("half"));
    for (const name of ["half", "half-int8"]) {
      const { tensors } = JSON.parse((await cli(["inspect", at(name), "--json"])).out) as {
        tensors: { path: string; dtype: string; bits: number; shape: number[] }[];
      };
      const half = tensors.filter(({ dtype }) => dtype === "float16");
      expect(half.map(({ path, shape }) => [path, shape.length])).toEqual([
        ["decoder/layer_0/ffn/dense1/kernel", 2],
        ["decoder/layer_0/ffn/dense1_activ", 0],
        ["decoder/layer_0/ffn/dense2/kernel", 2],
        ["decoder/layer_0/ffn/ln", 0],
      ]);
    }
    const kernel = ["--weight", "decoder/layer_0/ffn/dense1/kernel"];
    const one = await cli(["inspect", at("half-int8"), ...kernel]);
    expect(one.out).toMatch(/float16, shape \[\d+, \d+\]: not quantized in this int8 model/);
  });

  it("refuses in one line what cannot be done", async () => {
    await expectError(["quantize", at("float")], 2, /expected a directory to write/);
    await expectError(quantize("quant"), 2, /received .*quant, which is a directory with files/);
    await expectError(quantize("good.txt"), 2, /which is a file/);
    await expectError(quantize("x", "--stats", at("none.yaml")), 3, /none\.yaml/);
    await expectError(quantize("x", "--stats", at("stats.yaml")), 2, /with a histogram for .* mse/);
    await expectError(quantize("x", "--mode", "symetric"), 2, /--mode: expected/);
    await expectError(
      quantize("x", "--overrides_dialect", "distiller"),
      2,
      /expected --overrides_dialect with --overrides only/,
    );
    const foreign = readFileSync("test/fixtures/ptq/word_language_model.yaml", "utf8");
    put("foreign.yaml", foreign);
    await expectError(
      quantize("x", "--stats", at("foreign.yaml")),
      2,
      /expected those of a Transformer .* operations that it does not have, such as/,
    );
    put("typo.yaml", "decoder.layer_0.ffn.dens1: {clip_acts: AVG}");
    await expectError(
      quantize("x", "--overrides", at("typo.yaml")),
      2,
      /Did you mean "decoder\.layer_0\.ffn\.dense1"\?/,
    );
    put("glob.yaml", "decoder/layer_0/fnf/**: {quant_act_bits: 6}");
    await expectError(quantize("x", "--overrides", at("glob.yaml")), 2, /decoder\/layer_0\/ffn/);
    expect(() => readFileSync(at("x/report.json"))).toThrow();
  });
});
