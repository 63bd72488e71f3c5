/** Runs one kernel on two backends and compares what it gives bit by bit. */
import * as tf from "@tensorflow/tfjs";
import { expect } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import type { KernelAttributes, KernelName } from "../../src/ops/kernel.ts";
import { normals } from "./numeric.ts";

/** Elements of a tensor. */
export type Input = { shape: number[]; values: Float32Array | Int32Array };
/** By name. */
export type Inputs = Record<string, Input>;

const SPECIAL = [NaN, Infinity, -Infinity, 3e38, -3e38, 1e-40, -1e-40, 0, -0, 1e30, -87.4, 88.1];

/** Normal values; a quarter of them huge, tiny or not finite where `special`. */
export function floats(shape: number[], seed: number, special: boolean, deviation = 1): Input {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = normals(size, seed, deviation);
  const random = new RandomStream({ seed, stream: 9 });
  if (special) {
    for (let i = 0; i < size; i++) {
      if (random.uniform() < 0.25) values[i] = SPECIAL[random.integer(SPECIAL.length)]!;
    }
  }
  return { shape, values };
}

/** int32 from 0 to below − 1. */
export function integers(shape: number[], below: number, seed: number): Input {
  const random = new RandomStream({ seed, stream: 2 });
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, values: Int32Array.from({ length: size }, () => random.integer(below)) };
}

/** Bits of all outputs of a kernel; every NaN the same. */
export function bitsOn(
  backend: "cpu" | "wasm",
  name: KernelName | "UnsortedSegmentSum",
  inputs: Inputs,
  attributes: KernelAttributes,
): number[][] {
  void tf.setBackend(backend);
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([key, { shape, values }]) => {
        const dtype = values instanceof Int32Array ? "int32" : "float32";
        return [key, tf.tensor(values, shape, dtype)];
      }),
    );
    const out = tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(name, tensors, attributes);
    return [out].flat().map((tensor) => bitsOf(tensor.dataSync()));
  });
}

/** Bits of float32; every NaN the same. */
export function bitsOf(values: ArrayLike<number>): number[] {
  const floats = Float32Array.from(values, (v) => (Number.isNaN(v) ? NaN : v));
  return [...new Uint32Array(floats.buffer)];
}

/** Expects the bits of cpu's loops on wasm. */
export function expectSame(
  name: KernelName | "UnsortedSegmentSum",
  inputs: Inputs,
  attributes: KernelAttributes = {},
): void {
  const expected = bitsOn("cpu", name, inputs, attributes);
  expect(bitsOn("wasm", name, inputs, attributes)).toEqual(expected);
}
