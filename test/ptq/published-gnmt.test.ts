/** Distiller's published statistics of GNMT give the scales that its notebook prints. */
import { afterAll, describe, expect, it } from "vitest";
import { prepareQuantization } from "../../src/ptq/quantize-model.ts";
import { parseOverrides } from "../../src/ptq/overrides.ts";
import { readStatistics } from "../../src/recipe/read-statistics.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";

/** The notebook's output_scale by our path; published on examples/GNMT of IntelLabs/distiller. */
const PRINTED: Readonly<Record<string, number>> = {
  "encoder/eltwiseadd_residuals/0/output": 63.530453,
  "encoder/eltwiseadd_residuals/1/output": 42.430592,
  "decoder/att_rnn/attn/linear_q/output": 4.219996,
  "decoder/att_rnn/attn/linear_k/output": 4.546572,
  "decoder/att_rnn/attn/eltwiseadd_qk/output": 2.974982,
  "decoder/att_rnn/attn/eltwiseadd_norm_bias/output": 2.961179,
  "decoder/att_rnn/attn/tanh": 127,
  "decoder/att_rnn/attn/matmul_score": 6.327397,
  "decoder/att_rnn/attn/softmax_att": 128.141968,
  "decoder/att_rnn/attn/context_matmul": 46.205608,
  "decoder/classifier/classifier/output": 6.324166,
  "decoder/eltwiseadd_residuals/0/output": 63.689533,
  "decoder/eltwiseadd_residuals/1/output": 42.814404,
  "decoder/eltwiseconcats/0/output": 46.205608,
  "decoder/eltwiseconcats/1/output": 46.205608,
  "decoder/eltwiseconcats/2/output": 46.205608,
};

describe("the published GNMT", () => {
  // As many layers as the published one; ranges of activations do not depend on the width.
  const float = makeTinyGnmt({ num_layers: 4 }, null);
  const statistics = readStatistics("test/fixtures/ptq/gnmt.yaml");
  afterAll(() => {
    float.dispose();
  });

  function plan(quantParams: Record<string, unknown>, overrides?: string) {
    const file = overrides === undefined ? null : parseOverrides(overrides, "o.yaml");
    const prepared = prepareQuantization(float, { statistics, quantParams, overrides: file });
    prepared.model.dispose();
    return {
      notes: prepared.notes,
      of: (path: string) => prepared.plan.entries.find((entry) => entry.path === path)!,
    };
  }

  it("has a range for every quantizer, with the scales that the notebook prints", () => {
    const { notes, of } = plan({ quant_compat: "distiller-2019" });
    expect(notes).toEqual([]);
    for (const [path, printed] of Object.entries(PRINTED)) {
      expect(Math.abs(1 / of(path).grids[0]!.scale / printed - 1), path).toBeLessThan(1e-6);
    }
    const gates = of("decoder/rnn_layers/1/cells/0/eltwiseadd_gate/output");
    expect(1 / gates.grids[0]!.scale).toBeCloseTo(127 / 6, 4);
  });

  it("follows the notebook's overrides", () => {
    const quantParams = {
      ...{ quant_compat: "distiller-2019", quant_act_mode: "asymmetric_signed" },
      ...{ quant_weight_mode: "asymmetric_signed", quant_act_clip: "avg", quant_per_channel: true },
    };
    const { of } = plan(
      quantParams,
      ".*att_rnn.attn.*:\n    clip_acts: NONE # Quantize without clipping\n" +
        "decoder.classifier.classifier:\n    clip_acts: NONE # Quantize without clipping\n",
    );
    // Probabilities reach 0.991; their averages reach 0.390.
    expect(of("decoder/att_rnn/attn/softmax_att").ranges[0]!.hi).toBeCloseTo(0.9910882, 6);
    expect(of("decoder/classifier/classifier/output").ranges[0]!.hi).toBeCloseTo(20.0816994, 6);
    const cell = of("encoder/rnn_layers/1/cells/0/eltwiseadd_cell/output");
    expect(cell.method).toBe("avg");
    expect(cell.spec.bits).toBe(8);
    expect(cell.ranges[0]!.hi).toBeLessThan(14);
    expect(of("decoder/rnn_layers/0/cells/0/fc_gate_x/kernel").ranges).toHaveLength(48);
  });

  it("serves our own placement as well, by methods that need no histogram", () => {
    const { notes, of } = plan({ quant_act_clip: "laplace" });
    expect(notes).toEqual([]);
    expect(of("encoder/output").ranges[0]!.hi).toBeLessThan(3);
    expect(of("encoder/rnn_layers/1/cells/0/act_f/input").ranges[0]!.hi).toBeLessThanOrEqual(6);
    expect(() => plan({})).toThrow(/expected statistics with a histogram for the clip method mse/);
  });
});
