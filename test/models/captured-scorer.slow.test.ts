/** Captured decoding of real text finds what eager decoding finds. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { type BlockModel, createCapturedScorer } from "../../src/models/captured-scorer.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { createPass, disposePass } from "../../src/quant/pass.ts";
import { loadModel } from "../../src/recipe/load-model.ts";
import { expectSame, search } from "../helpers/decode-search.ts";
import { hasNative } from "../helpers/native.ts";
import { loadQuantizedLohelp } from "../helpers/quantized-lohelp.ts";

describe.skipIf(!hasNative)("captured decoding", () => {
  beforeAll(() => selectBackend("native"));

  it.each(["float", "int8"] as const)(
    "translates as eager decoding does: %s",
    (form) => {
      const { model: float, task } = loadModel("pretrained/transformer-lohelp");
      const model = form === "float" ? (float as BlockModel) : loadQuantizedLohelp();
      const lines = readFileSync("data/lohelp-en-de/dev.en", "utf8").split("\n").slice(0, 50);
      const sources = lines.map((line) => task.source.encode(line));
      const pass = createPass({ products: "codes" });
      const scorer = createCapturedScorer(model, pass, 1);
      const eager = createModelScorer(model, "codes", Infinity);
      for (const method of ["greedy", "beam"] as const) {
        const options = { method, special: task.special, beamSize: 4, lengthPenalty: 0.6 };
        const expected = search(eager, options, sources);
        // A probability's code may be a neighbour where a float sum differs in its last bit.
        for (let i = 0; i < 2; i++) {
          const within = form === "float" ? 1e-4 : 0.05;
          expectSame(search(scorer, options, sources), expected, within);
        }
      }
      for (const { fallback, graphs } of scorer.reports()) {
        expect(fallback).toBe(null);
        expect(graphs).toBeLessThanOrEqual(32);
      }
      scorer.close();
      eager.close();
      disposePass(pass);
      for (const each of new Set([model, float])) each.dispose();
    },
    120_000,
  );
});
