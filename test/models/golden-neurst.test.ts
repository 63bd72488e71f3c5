import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import {
  loadLohelp,
  makeBatch,
  parameterCount,
  readGolden,
  type GoldenSection,
} from "../helpers/lohelp.ts";

const golden = readGolden();
const batch = makeBatch(golden.source_ids, golden.target_ids);

beforeAll(() => selectBackend("wasm"));

/** Loss and gradients by checkpoint name, as NeurST's run had them: no dropout, no penalty. */
function lossAndGradients(model: Transformer): { loss: number; gradients: Map<string, number[]> } {
  const tensors = batchTensors(batch);
  const { value, grads } = withPass({}, (pass) =>
    tf.variableGrads(
      () => sequenceLoss(model, tensors, { per: "token", labelSmoothing: 0.1 }, pass).loss,
      [...model.variables.values()],
    ),
  );
  const gradients = new Map(
    [...model.variables].map(([name, v]) => [name, Array.from(grads[v.name]!.dataSync())]),
  );
  const loss = value.dataSync()[0]!;
  tf.dispose([value, grads, { ...tensors }]);
  return { loss, gradients };
}

function norm(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
}

/** Gradients of clips and norms of the others' gradients: [name, ours, NeurST's]. */
function compareGradients(model: Transformer, section: GoldenSection): [string, number, number][] {
  const { loss, gradients } = lossAndGradients(model);
  expect(Math.abs(loss / section.loss - 1)).toBeLessThan(1e-4);
  const clips = [...model.variables.keys()].filter((name) => name.endsWith("_clip_max"));
  expect(clips.sort()).toEqual(Object.keys(section.clip_value_and_gradient).sort());
  return [
    ...Object.entries(section.clip_value_and_gradient).map(
      ([name, [, theirs]]) => [name, gradients.get(name)![0]!, theirs] as [string, number, number],
    ),
    ...Object.entries(section.gradient_norms).map(
      ([name, theirs]) => [name, norm(gradients.get(name)!), theirs] as [string, number, number],
    ),
  ];
}

function isClose([, ours, theirs]: [string, number, number]): boolean {
  return Math.abs(ours - theirs) <= 1e-3 * Math.abs(theirs) + 1e-6;
}

describe("the shipped model computes what NeurST computes", () => {
  const neurst = { quant_rounding: "half_up", quant_compat: "neurst" };
  it.each([
    ["in float", null, golden.float],
    [
      "with clips 1 and 16",
      { ...neurst, quant_weight_clip_max: 1, quant_act_clip_max: 16 },
      golden.qat,
    ],
  ] as const)("%s", (_name, params, section) => {
    const model = loadLohelp(params === null ? null : resolveQuantConfig(params));
    try {
      expect(parameterCount(model.variables)).toBe(1_922_987 + (params === null ? 0 : 87));
      const compared = compareGradients(model, section);
      expect(compared.filter((row) => !isClose(row))).toEqual([]);
    } finally {
      model.dispose();
    }
  });

  it("with clips 0.1 and 2, but for activations that round to another code", () => {
    // Steps are 8 times smaller here, so that float noise (TensorFlow's approximate 1/√x, its
    // exponential, its order of sums) puts some activations on the neighbouring code.
    const params = { ...neurst, quant_weight_clip_max: 0.1, quant_act_clip_max: 2 };
    const model = loadLohelp(resolveQuantConfig(params));
    try {
      const compared = compareGradients(model, golden["qat_tight_clips_0.1_2.0"]);
      expect(compared.filter(isClose).length).toBeGreaterThan(0.85 * compared.length);
      expect(compared.filter(([, ours, theirs]) => Math.abs(ours - theirs) > 2e-3)).toEqual([]);
    } finally {
      model.dispose();
    }
  });
});
