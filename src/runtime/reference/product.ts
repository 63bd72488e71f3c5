/** Integer products of rows of codes with a weight's codes. */
import { scaleAccumulator } from "../../core/integer-product.ts";
import { maxAbs } from "../../core/quantize.ts";
import { FormatError } from "../../errors.ts";
import { centredCodes, type Int8Weight } from "../../formats/int8-model.ts";
import type { Coded } from "./coded.ts";
import type { Trace } from "./trace.ts";

/** A weight laid out for products: row n holds the inputs of output n, less their zero points. */
export interface ProductWeight {
  readonly name: string;
  /** [outputs, inputs] */
  readonly codes: Int32Array;
  readonly inputs: number;
  readonly outputs: number;
  /** One scale, or one for each output. */
  readonly scale: Float32Array;
}

/** A product with its weight, bias and name. */
export interface Linear {
  readonly product: string;
  readonly weight: ProductWeight;
  readonly bias: Float32Array | null;
}

/**
 * Lays a kernel [inputs, outputs] out by outputs. A table [outputs, inputs] is taken as it is.
 * @param maxAbsInput largest absolute input code
 * @throws {FormatError} if scales run along the inputs, or sums could leave int32
 */
export function productWeight(
  name: string,
  weight: Int8Weight,
  layout: "kernel" | "table",
  maxAbsInput: number,
): ProductWeight {
  const [first = 0, second = 0] = weight.shape;
  const [inputs, outputs] = layout === "kernel" ? [first, second] : [second, first];
  const outputAxis = layout === "kernel" ? 1 : 0;
  const { axis } = weight.record;
  if (weight.shape.length !== 2 || (axis !== null && axis !== outputAxis)) {
    throw new FormatError(
      `"${name}": expected a matrix with one scale or one for each output (axis ${outputAxis}), ` +
        `received shape [${weight.shape.join(", ")}] and axis ${axis ?? "none"}. ` +
        `Export the model again.`,
    );
  }
  const centred = centredCodes(weight);
  const bound = inputs * maxAbsInput * maxAbs(centred);
  if (bound >= 2 ** 31) {
    throw new FormatError(
      `"${name}": expected sums of ${inputs} products below 2^31, received codes that can reach ` +
        `${bound}. Use fewer bits.`,
    );
  }
  const codes = new Int32Array(inputs * outputs);
  for (let i = 0; i < inputs; i++) {
    for (let n = 0; n < outputs; n++) {
      codes[n * inputs + i] = centred[layout === "kernel" ? i * outputs + n : n * inputs + i]!;
    }
  }
  return { name, codes, inputs, outputs, scale: weight.scale };
}

/** fround(fround(sums)·fround(s_x·s_w[n])) + bias[n]: float32 [rows, outputs]. */
export function linear(x: Coded, { product, weight, bias }: Linear, trace: Trace): Float32Array {
  const sums = rowProducts(x.codes, weight);
  trace.onProduct?.({ product, left: x.quantizer, right: weight.name, sums });
  return scaleAccumulator(sums, weight.outputs, { scaleA: x.scale, scaleB: weight.scale, bias });
}

/**
 * int32 sums [rows, outputs], two rows by four outputs at a time, so that eight running sums share
 * six reads.
 */
function rowProducts(x: Int32Array, weight: ProductWeight): Int32Array {
  const { codes, inputs, outputs } = weight;
  const rows = x.length / inputs;
  const sums = new Int32Array(rows * outputs);
  for (let row = 0; row < rows; row += 2) {
    // With an odd number of rows the last one is computed twice.
    const x0 = row * inputs;
    const x1 = Math.min(row + 1, rows - 1) * inputs;
    const y0 = row * outputs;
    const y1 = Math.min(row + 1, rows - 1) * outputs;
    let n = 0;
    for (; n + 4 <= outputs; n += 4) {
      const w0 = n * inputs;
      const w1 = w0 + inputs;
      const w2 = w1 + inputs;
      const w3 = w2 + inputs;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let b3 = 0;
      for (let k = 0; k < inputs; k++) {
        const a = x[x0 + k]!;
        const b = x[x1 + k]!;
        const c0 = codes[w0 + k]!;
        const c1 = codes[w1 + k]!;
        const c2 = codes[w2 + k]!;
        const c3 = codes[w3 + k]!;
        a0 = (a0 + Math.imul(a, c0)) | 0;
        a1 = (a1 + Math.imul(a, c1)) | 0;
        a2 = (a2 + Math.imul(a, c2)) | 0;
        a3 = (a3 + Math.imul(a, c3)) | 0;
        b0 = (b0 + Math.imul(b, c0)) | 0;
        b1 = (b1 + Math.imul(b, c1)) | 0;
        b2 = (b2 + Math.imul(b, c2)) | 0;
        b3 = (b3 + Math.imul(b, c3)) | 0;
      }
      sums[y0 + n] = a0;
      sums[y0 + n + 1] = a1;
      sums[y0 + n + 2] = a2;
      sums[y0 + n + 3] = a3;
      sums[y1 + n] = b0;
      sums[y1 + n + 1] = b1;
      sums[y1 + n + 2] = b2;
      sums[y1 + n + 3] = b3;
    }
    for (; n < outputs; n++) {
      sums[y0 + n] = dot(x, x0, codes, n * inputs, inputs);
      sums[y1 + n] = dot(x, x1, codes, n * inputs, inputs);
    }
  }
  return sums;
}

/** Σ a[from + k]·b[start + k] over `length` terms, in int32. */
export function dot(
  a: Int32Array,
  from: number,
  b: Int32Array,
  start: number,
  length: number,
): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum = (sum + Math.imul(a[from + k]!, b[start + k]!)) | 0;
  return sum;
}
