import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatStatisticsYaml } from "../../src/formats/distiller-statistics.ts";
import { formatHistograms } from "../../src/formats/statistics-histograms.ts";
import { quantizeModel } from "../../src/ptq/quantize-model.ts";
import type { SearchResult } from "../../src/ptq/search.ts";
import { loadModel } from "../../src/recipe/load-model.ts";
import { statisticsFor } from "../helpers/model-statistics.ts";
import { at, expectError, makeModels, put, removeModels, textOf } from "./bad-input-cases.ts";
import { cli } from "./capture-io.ts";

beforeAll(async () => {
  await makeModels();
  const { model: float } = loadModel(at("float"));
  const { model } = quantizeModel(float);
  const statistics = statisticsFor(model, 4);
  put("stats.yaml", formatStatisticsYaml(statistics));
  put("stats.histograms.safetensors", formatHistograms(statistics));
  model.dispose();
  float.dispose();
});
afterAll(removeModels);

const text = (): string[] => [
  ...["--src_file", at("good.txt"), "--trg_file", at("good.txt"), "--backend", "cpu"],
];

function search(output: string, ...more: string[]): string[] {
  const base = ["quantize", at("float"), "--output", at(output), "--stats", at("stats.yaml")];
  return [...base, ...text(), "--search", "loss", ...more];
}

describe("tfjs-qat quantize --search", () => {
  it("writes the best model, its overrides and a log, and goes on where it was killed", async () => {
    const run = await cli(search("found", "--quant_act_bits", "3", "--json"));
    expect(run.code).toBe(0);
    const { base, best, evaluations } = JSON.parse(run.out) as SearchResult;
    expect(evaluations.length).toBeGreaterThan(2);
    expect(evaluations.length).toBeLessThanOrEqual(20);
    expect(best.metric).toBeLessThanOrEqual(base.metric);
    expect(textOf("found/search.md")).toContain(`| as given | ${base.metric.toFixed(3)} |`);

    // The overrides alone give the same model.
    const again = ["quantize", at("float"), "--output", at("again"), "--stats", at("stats.yaml")];
    const rerun = await cli([
      ...again,
      "--quant_act_bits",
      "3",
      "--overrides",
      at("found/overrides.yml"),
    ]);
    expect(rerun.err).toBe("");
    const weights = (name: string): Buffer => readFileSync(at(`${name}/ckpt-1.safetensors`));
    expect(weights("again").equals(weights("found"))).toBe(true);

    // A kill: half of the memo is there, and nothing else.
    const lines = textOf("found/search.jsonl").split("\n");
    mkdirSync(at("killed"));
    const half = lines.slice(0, Math.floor(lines.length / 2));
    writeFileSync(at("killed/search.jsonl"), `${half.join("\n")}\n{"key":"cut o`);
    const resumed = await cli(search("killed", "--quant_act_bits", "3"));
    expect(resumed.err).toContain(`goes on after ${half.length - 1} results`);
    for (const file of ["search.jsonl", "search.md", "overrides.yml", "ckpt-1.safetensors"]) {
      expect(readFileSync(at(`killed/${file}`)).equals(readFileSync(at(`found/${file}`)))).toBe(
        true,
      );
    }

    cpSync(at("found/search.jsonl"), at("other/search.jsonl"));
    await expectError(search("other", "--quant_act_bits", "4"), 2, /another settings/);
    await expectError(search("found", "--quant_act_bits", "3"), 2, /a directory with files/);
  });

  it("keeps to a budget of bits, and refuses one that cannot be kept", async () => {
    const run = await cli(search("narrow", "--average_bits", "5", "--json"));
    const { bits } = JSON.parse(run.out) as unknown as { bits: { quant_weight_bits: number }[] };
    expect(bits.length).toBeGreaterThan(0);
    expect(bits.every((override) => override.quant_weight_bits < 8)).toBe(true);
    await expectError(search("tiny", "--max_bytes", "100"), 2, /expected at least \d+ bytes/);
    expect(existsSync(at("tiny/ckpt-1.safetensors"))).toBe(false);
  });

  it("says what a search, a rounding and a correction need", async () => {
    const quantize = ["quantize", at("float"), "--output", at("none")];
    await expectError([...quantize, "--max_bytes", "1000"], 2, /--max_bytes with --search only/);
    await expectError([...quantize, ...text()], 2, /--src_file with --search, --learned_rounding/);
    mkdirSync(at("texts"));
    writeFileSync(at("texts/good.test.txt"), textOf("good.txt"));
    const tested = search("none").map((arg) =>
      arg === at("good.txt") ? at("texts/good.test.txt") : arg,
    );
    await expectError(tested, 2, /name of test data/);
    expect((await cli([...tested, "--allow_test_text"])).code).toBe(0);
  });
});

describe("tfjs-qat quantize --learned_rounding --bias_correction", () => {
  it("rounds weights anew on the same ranges, and says how much it helps", async () => {
    const base = ["quantize", at("float"), "--stats", at("stats.yaml"), "--quant_weight_bits", "4"];
    await cli([...base, "--output", at("nearest")]);
    const both = ["--learned_rounding", "--bias_correction", ...text()];
    const run = await cli([...base, "--output", at("rounded"), ...both]);
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/learned rounding: \d+ weights, output error 0\.\d+ of rounding to/);
    expect(run.out).toMatch(/bias correction: \d+ biases, shifted by/);
    const [nearest, rounded] = ["nearest", "rounded"].map((name) => loadModel(at(name)).model);
    let changed = 0;
    for (const [name, variable] of nearest!.variables) {
      const other = rounded!.variables.get(name)!.dataSync();
      if (name.endsWith("_clip_max")) expect(other).toEqual(variable.dataSync());
      else if (other.some((x, i) => x !== variable.dataSync()[i])) changed++;
    }
    expect(changed).toBeGreaterThan(4);
    for (const model of [nearest!, rounded!]) model.dispose();
    const scored = await cli(["evaluate", at("rounded"), ...text(), "--json"]);
    expect(scored.code).toBe(0);
  });
});
