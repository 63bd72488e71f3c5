import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import { AffineQuantizer } from "../../src/quant/affine-quantizer.ts";
import { calibrateClips } from "../../src/quant/calibrate.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { DynamicQuantizer } from "../../src/quant/dynamic-quantizer.ts";
import { Float16Quantizer } from "../../src/quant/float16-quantizer.ts";
import { assertLearnable } from "../../src/quant/learnable.ts";
import { ClipQuantizer } from "../../src/quant/quantizers.ts";
import { QUANT_STRATEGIES } from "../../src/quant/strategies.ts";

beforeAll(() => selectBackend("cpu"));

function dense(params: QuantParamsInput, activation: "linear" | "relu" = "linear"): QuantDense {
  const quantConfig = resolveQuantConfig(params);
  const layer = new QuantDense({
    name: "d",
    units: 3,
    activation,
    quantizeInput: true,
    quantConfig,
  });
  layer.build([null, 4]);
  return layer;
}

const classes = (layer: QuantDense): string[] =>
  [...layer.quantizers.values()].map((quantizer) => quantizer.constructor.name);

it.each([
  [{}, [ClipQuantizer, ClipQuantizer, ClipQuantizer]],
  [{ quant_compat: "distiller-2019" }, [ClipQuantizer, ClipQuantizer, ClipQuantizer]],
  [{ quant_compat: "distiller-2020" }, [AffineQuantizer, AffineQuantizer, AffineQuantizer]],
  [{ quant_act_mode: "asymmetric_signed" }, [ClipQuantizer, AffineQuantizer, AffineQuantizer]],
  [{ quant_weight_mode: "symmetric_restricted" }, [AffineQuantizer, ClipQuantizer, ClipQuantizer]],
  [{ quant_scale_approx_mult_bits: 8 }, [AffineQuantizer, AffineQuantizer, AffineQuantizer]],
  [{ quant_dynamic: true }, [ClipQuantizer, DynamicQuantizer, DynamicQuantizer]],
  [{ quant_float_bits: 32 }, []],
  [{ quant_float_bits: 16 }, [Float16Quantizer, Float16Quantizer, Float16Quantizer]],
  [{ overrides: [{ match: "d/input", quant_float_bits: 32 }] }, [ClipQuantizer, ClipQuantizer]],
] as const)(
  "makes of %o the kernel's, the input's and the output's quantizer",
  (params, expected) => {
    const layer = dense(params as unknown as QuantParamsInput);
    expect(classes(layer)).toEqual(expected.map(({ name }) => name));
    layer.dispose();
  },
);

it("gives observed ranges two variables that are not trained", () => {
  const layer = dense({ quant_weight_mode: "asymmetric_signed", quant_per_channel: true });
  const names = [...layer.namedVariables()].map(([name, { shape }]) => `${name} ${shape.join()}`);
  expect(names.slice(0, 3)).toEqual(["d/kernel 4,3", "d/kernel_scale 3", "d/kernel_zero_point 3"]);
  expect(layer.trainableWeights.map(({ originalName }) => originalName)).not.toContain(
    "d/kernel_scale",
  );
  layer.dispose();
});

it("begins with a given clip", () => {
  const layer = dense({ quant_compat: "distiller-2020", quant_act_clip_max: 4 });
  const input = layer.quantizers.get("input") as AffineQuantizer;
  expect(input.range().scale[0]).toBe(input.gridFor({ lo: -4, hi: 4 }).scale);
  layer.dispose();
});

it("treats relu and softmax as Distiller does", () => {
  for (const compat of ["distiller-2019", "distiller-2020"] as const) {
    const layer = dense({ quant_compat: compat }, "relu");
    expect(layer.quantizers.get("output")!.kind).toBe("act");
    layer.dispose();
  }
  const layer = dense({}, "relu");
  expect(layer.quantizers.get("output")!.kind).toBe("relu");
  layer.dispose();
});

it("refuses more than 8 bits where values enter a product, and takes them elsewhere", () => {
  const match = (paths: string, bits: number) => ({ match: paths, quant_act_bits: bits });
  const lstm = (...overrides: ReturnType<typeof match>[]): QuantLSTM => {
    const quantConfig = resolveQuantConfig({ overrides });
    const layer = new QuantLSTM({ name: "lstm", units: 2, quantConfig });
    layer.build([null, null, 3]);
    return layer;
  };
  lstm(match("**/act_*/input", 16)).dispose();
  for (const path of ["**/fc_gate_x/input", "**/eltwisemult_hidden"]) {
    expect(() => lstm(match(path, 9))).toThrow(
      /quant_act_bits of "lstm\/cells\/0\/.*": expected 2 to 8, because the values enter a product, received 9/,
    );
  }
  expect(() => dense({ quant_act_bits: 12 })).toThrow("expected 2 to 8");
});

it("refuses settings that cannot be had together", () => {
  expect(() => dense({ quant_rounding: "half_up", quant_compat: "distiller-2020" })).toThrow(
    "expected half_even for ranges that are observed, received half_up",
  );
  expect(() => dense({ quant_dynamic: true, quant_act_clip: "kl" })).toThrow("quant_act_clip of");
});

it("starts dynamic overrides with the method that needs no statistics", () => {
  const layer = dense({ overrides: [{ match: "d/input", quant_dynamic: true }] });
  expect((layer.quantizers.get("input") as DynamicQuantizer).method).toBe("none");
  layer.dispose();
});

it("leaves to training the models of learned clips alone", () => {
  const learnt = dense({ quant_compat: "distiller-2019" });
  assertLearnable([learnt]);
  const others = [
    ...[{ quant_dynamic: true }, { quant_compat: "distiller-2020" }],
    { quant_weight_mode: "symmetric_restricted" },
  ] as QuantParamsInput[];
  for (const params of others) {
    const layer = dense(params);
    expect(() => {
      assertLearnable([layer]);
    }).toThrow(/training learns symmetric clips/);
    layer.dispose();
  }
  learnt.dispose();
});

it("is passed over by calibration of clips and by their penalty", () => {
  const layer = dense({ quant_act_mode: "asymmetric_signed" });
  const model = { variables: layer.namedVariables(), layers: () => [layer] };
  expect(calibrateClips(model, [])).toEqual(["d/kernel_clip_max"]);
  const quantizers = [...layer.quantizers.values()];
  const penalty = tf.tidy(() => QUANT_STRATEGIES["min/max"].penalty(quantizers).dataSync()[0]!);
  const clip = layer.namedVariables().get("d/kernel_clip_max")!.dataSync()[0]!;
  expect(penalty).toBeCloseTo(0.001 * clip ** 2, 6);
  layer.dispose();
});
