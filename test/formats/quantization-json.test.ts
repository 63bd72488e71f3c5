import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import {
  formatQuantizationJson,
  parseQuantizationJson,
  type QuantizationRecord,
} from "../../src/formats/quantization-json.ts";

const f = Math.fround;
const record: QuantizationRecord = {
  format: "tfjs-qat-int8",
  version: 1,
  rounding: "half_even",
  placement: "none",
  dynamic_activations: {},
  float16: [],
  tensors_sha256: "0123456789abcdef".repeat(4),
  model: { class: "Transformer", params: { "encoder.num_layers": 3, "decoder.rate": 0.1 } },
  vocabulary: { source_size: 4139, target_size: 4139, unk: 4136, bos: 4137, eos: 4138 },
  weights: {
    "TransformerEncoder/layer_0/ffn/dense1/kernel": {
      path: "encoder/layer_0/ffn/dense1/kernel",
      bits: 8,
      mode: "symmetric",
      axis: 1,
      qmin: -128,
      qmax: 127,
      min: f(-0.3),
      max: f(0.3),
      clip_max: [f(0.1), f(0.3)],
    },
    "a/kernel": {
      path: "a/kernel",
      bits: 4,
      mode: "symmetric",
      axis: null,
      qmin: -8,
      qmax: 7,
      min: f(-1 / 3),
      max: f(1 / 3),
      clip_max: f(1 / 3),
    },
  },
  activations: {
    "TransformerEncoder/layer_0/ffn/dense1/output": {
      path: "encoder/layer_0/ffn/dense1/output",
      kind: "relu",
      bits: 8,
      mode: "symmetric",
      qmin: 0,
      qmax: 255,
      scale: f(3 / 255),
      zero_point: 0,
      min: 0,
      max: 3,
      clip_max: 3,
    },
    "TransformerEncoder/layer_0/self_attention/weights": {
      path: "encoder/layer_0/self_attention/weights",
      kind: "softmax",
      bits: 8,
      mode: "symmetric",
      qmin: 0,
      qmax: 255,
      scale: 1 / 256,
      zero_point: 0,
      min: 0,
      max: 255 / 256,
      clip_max: null,
    },
  },
};
const text = formatQuantizationJson(record);

describe("quantization.json", () => {
  it("gives back the record, float32 to the bit", () => {
    expect(parseQuantizationJson(text, "quantization.json")).toEqual(record);
  });

  it("is short: float32 values in few digits, per-channel clips on one line", () => {
    expect(text).toContain('"clip_max": [0.1, 0.3]');
    expect(text).toContain('"scale": 0.011764706');
    expect(text).toContain('"decoder.rate": 0.1');
  });

  it("does not depend on the order of names", () => {
    const reversed = Object.fromEntries(Object.entries(record.weights).reverse());
    expect(formatQuantizationJson({ ...record, weights: reversed })).toBe(text);
  });

  const change = (from: string, to: string) => text.replace(from, to);
  it.each([
    {
      name: "another format",
      text: change("tfjs-qat-int8", "onnx"),
      says: ", format: expected tfjs-qat-int8",
    },
    {
      name: "a later version",
      text: change('"version": 1', '"version": 2'),
      says: "version: expected 1, received 2",
    },
    { name: "another rounding", text: change("half_even", "up"), says: "half_even or half_up" },
    { name: "a short hash", text: change("0123", ""), says: "64 hexadecimal digits" },
    {
      name: "an unknown key",
      text: change('"unk"', '"pad": 0, "unk"'),
      says: "vocabulary, pad: expected no such key",
    },
    {
      name: "a missing key",
      text: change('"unk": 4136,', ""),
      says: "vocabulary, unk: expected an integer",
    },
    {
      name: "an unknown key of a weight",
      text: change('"axis"', '"x": 1, "axis"'),
      says: "no such key",
    },
    {
      name: "a scale in words",
      text: change('"scale": 0.0', '"scale": "0", "y": 0.0'),
      says: "scale: expected a finite number",
    },
    {
      name: "a scale beyond float32",
      text: change('"scale": 0.011764706', '"scale": 1e39'),
      says: "finite",
    },
    {
      name: "an unknown mode",
      text: change('"clip_max": [0.1, 0.3]', '"clip_max": null, "mode": "affine"'),
      says: "mode: expected symmetric or symmetric_restricted or",
    },
    {
      name: "a fractional zero point",
      text: change('"zero_point": 0', '"zero_point": 0.5'),
      says: "zero_point",
    },
    {
      name: "a list of weights",
      text: change('"weights": {', '"weights": [], "w": {'),
      says: "weights: expected an object",
    },
    { name: "a truncated file", text: text.slice(0, 300), says: "expected JSON" },
  ])("refuses $name", ({ text, says }) => {
    expect(() => parseQuantizationJson(text, "quantization.json")).toThrow(FormatError);
    expect(() => parseQuantizationJson(text, "quantization.json")).toThrow(says);
  });

  it("is not written from a record that could not be read", () => {
    expect(() => formatQuantizationJson({ ...record, tensors_sha256: "" })).toThrow(FormatError);
    const [name, weight] = Object.entries(record.weights)[0]!;
    const bad = { ...record, weights: { [name]: { ...weight, max: NaN } } };
    expect(() => formatQuantizationJson(bad)).toThrow(FormatError);
  });
});
