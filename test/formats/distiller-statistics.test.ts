import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ModelStatistics, TensorStatistics } from "../../src/core/tensor-statistics.ts";
import { FormatError } from "../../src/errors.ts";
import {
  formatStatisticsYaml,
  parseStatisticsYaml,
} from "../../src/formats/distiller-statistics.ts";
import {
  formatHistograms,
  histogramsPath,
  withHistograms,
} from "../../src/formats/statistics-histograms.ts";

function fixture(name: string): ModelStatistics {
  const path = join(import.meta.dirname, "../fixtures/ptq", name);
  return parseStatisticsYaml(readFileSync(path, "utf8"), name);
}

const record: TensorStatistics = {
  ...{ min: -1e-7, max: 3, avgMin: -0, avgMax: 1 / 3, mean: 1e21, std: 5e-324, b: 0.1 },
  ...{ shape: "(2, 3)", totalNumel: 2 ** 53 - 1 },
  histogram: { width: 2 ** -11, counts: Float64Array.from({ length: 16 }, (_, i) => (i % 5) % 2) },
};

describe("statistics that Distiller published", () => {
  it("are read as they stand: GNMT", () => {
    const statistics = fixture("gnmt.yaml");
    expect(statistics.size).toBe(138);
    const scaler = statistics.get("decoder/att_rnn/attn/eltwisemul_norm_scaler")!;
    expect(scaler.inputs.get(1)).toMatchObject({ min: 1.2628638744354248, std: null, b: 0 });
    expect(scaler.output).toMatchObject({ shape: "(1024)", totalNumel: null, histogram: null });
    const classifier = statistics.get("decoder/classifier/classifier")!;
    // 127 over the largest magnitude is the scale that the notebook prints: 6.324166.
    const { min, max } = classifier.output!;
    expect(127 / Math.max(-min, max)).toBeCloseTo(6.324166, 5);
  });

  it("are read as they stand: a word language model, without b", () => {
    const statistics = fixture("word_language_model.yaml");
    const { b, std } = statistics.get("rnn/cells/0/fc_gate_x")!.output!;
    expect(b).toBeNull();
    expect(std).toBeGreaterThan(0);
    expect(statistics.get("decoder")!.inputs.get(0)!.max).toBeLessThanOrEqual(1);
  });

  it.each(["gnmt.yaml", "word_language_model.yaml"])("come back from our own file: %s", (name) => {
    const statistics = fixture(name);
    expect(parseStatisticsYaml(formatStatisticsYaml(statistics), "")).toEqual(statistics);
  });
});

describe("statistics of ours", () => {
  const statistics: ModelStatistics = new Map([
    [
      "decoder/rnn_layers/0/act_f",
      {
        inputs: new Map([
          [0, record],
          [10, record],
        ]),
        output: record,
      },
    ],
    [
      "embedder",
      {
        inputs: new Map(),
        output: { ...record, histogram: { width: 0, counts: new Float64Array(4) } },
      },
    ],
  ]);

  it("come back bit for bit, with their histograms", () => {
    const text = formatStatisticsYaml(statistics);
    const bytes = formatHistograms(statistics);
    expect(withHistograms(parseStatisticsYaml(text, ""), bytes, "")).toEqual(statistics);
    expect(text).toContain("decoder.rnn_layers.0.act_f:\n  inputs:\n    0:\n      min: -1.e-7");
    expect(histogramsPath("a.b/stats.yaml")).toBe("a.b/stats.histograms.safetensors");
  });

  it("have histograms of their own only where the file has them", () => {
    const none = formatHistograms(new Map());
    const read = withHistograms(
      parseStatisticsYaml(formatStatisticsYaml(statistics), ""),
      none,
      "",
    );
    expect(read.get("embedder")!.output!.histogram).toBeNull();
  });
});

describe("what is no file of statistics", () => {
  it.each([
    ["a: 1", /f, a: expected a mapping, received 1/],
    ["a: {output: {min: 1}}", /f, a, output, max: expected a finite number, received nothing/],
    ["a: {inputs: {x: {}}}", /a, inputs, x: expected an input's number/],
    ["a: {output: {min: no}}", /min: expected a number, received "no"/],
    ["a: {output: {min: .inf}}", /min: expected a finite number/],
  ])("%s", (text, message) => {
    expect(() => parseStatisticsYaml(text, "f")).toThrow(FormatError);
    expect(() => parseStatisticsYaml(text, "f")).toThrow(message);
  });
});
