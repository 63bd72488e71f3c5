import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { parseInt8Model } from "../../src/formats/int8-model.ts";
import {
  formatQuantizationJson,
  type QuantizationRecord,
} from "../../src/formats/quantization-json.ts";
import { type SafeTensor, writeSafetensors } from "../../src/formats/safetensors.ts";

const weight = {
  ...({ bits: 4, mode: "symmetric", qmin: -8, qmax: 7, min: -0.8, max: 0.7, path: "a" } as const),
};
const record: QuantizationRecord = {
  format: "tfjs-qat-int8",
  version: 1,
  rounding: "half_even",
  placement: "none",
  dynamic_activations: {},
  float16: [],
  tensors_sha256: "0".repeat(64),
  model: { class: "Transformer", params: {} },
  vocabulary: { source_size: 5, target_size: 5, unk: 2, bos: 3, eos: 4 },
  weights: {
    a: { ...weight, axis: null, clip_max: 0.7 },
    b: { ...weight, axis: 1, clip_max: [0.7, 0.7, 0.7] },
  },
  activations: {},
};

function tensors(changes: Record<string, SafeTensor | null> = {}): Uint8Array {
  const all: Record<string, SafeTensor | null> = {
    a: { dtype: "I8", shape: [4], data: Int8Array.of(-8, 0, 1, 7) },
    "a.scale": { dtype: "F32", shape: [], data: Float32Array.of(0.1) },
    b: { dtype: "I8", shape: [1, 3], data: Int8Array.of(1, 2, 3) },
    "b.scale": { dtype: "F32", shape: [3], data: Float32Array.of(0.1, 0.2, 0.3) },
    bias: { dtype: "F32", shape: [2], data: Float32Array.of(1, -1) },
    ...changes,
  };
  const entries = Object.entries(all).filter((entry): entry is [string, SafeTensor] => {
    return entry[1] !== null;
  });
  return writeSafetensors(entries);
}

const parse = (bytes: Uint8Array) => parseInt8Model(bytes, formatQuantizationJson(record), "here");

describe("parseInt8Model", () => {
  it("joins codes, scales and records, and keeps float tensors", () => {
    const { weights, floats } = parse(tensors());
    expect(weights.get("a")).toMatchObject({ shape: [4], scale: Float32Array.of(0.1) });
    expect([...weights.get("b")!.codes]).toEqual([1, 2, 3]);
    expect([...floats.keys()]).toEqual(["bias"]);
  });

  const scale = (shape: number[], ...values: number[]): SafeTensor => {
    return { dtype: "F32", shape, data: Float32Array.from(values) };
  };
  const cases: [string, Record<string, SafeTensor | null>][] = [
    ["missing codes", { a: null }],
    ["a missing scale", { "b.scale": null }],
    ["float codes", { a: scale([4], 1, 2, 3, 4) }],
    ["a code above the range", { a: { dtype: "I8", shape: [1], data: Int8Array.of(8) } }],
    ["a code below the range", { a: { dtype: "I8", shape: [1], data: Int8Array.of(-9) } }],
    ["a scale for each channel too few", { "b.scale": scale([2], 1, 1) }],
    ["one scale where there are channels", { "b.scale": scale([], 1) }],
    ["channels where there is one scale", { "a.scale": scale([1], 1) }],
    ["a scale of 0", { "a.scale": scale([], 0) }],
    ["a negative scale", { "a.scale": scale([], -1) }],
    ["an infinite scale", { "a.scale": scale([], Infinity) }],
    ["NaN in a float tensor", { bias: scale([2], 1, NaN) }],
    ["an integer bias", { bias: { dtype: "I32", shape: [1], data: Int32Array.of(1) } }],
  ];
  it.each(cases)("refuses %s", (_, changes) => {
    expect(() => parse(tensors(changes))).toThrow(FormatError);
    expect(() => parse(tensors(changes))).toThrow(/^here, "(a|b|bias)/);
  });
});
