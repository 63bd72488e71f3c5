/** Normalised additive attention over integer codes. */
import { add, multiplyScalar } from "../../core/elementwise.ts";
import { tanh32 } from "../../core/gate-activations.ts";
import { scaleAccumulator } from "../../core/integer-product.ts";
import { DoubleLanes } from "../../core/lane-sum.ts";
import { maskedSoftmax } from "../../core/softmax.ts";
import type { ActivationQuantizer, Coded } from "./coded.ts";
import { linear, type Linear, type ProductWeight } from "./product.ts";
import type { Trace } from "./trace.ts";

/** The products and quantizers of the attention. */
export interface BahdanauWeights {
  readonly path: string;
  readonly linearQ: Linear;
  readonly linearK: Linear;
  /** [units]. */
  readonly bias: Float32Array;
  readonly scaler: number;
  readonly tanh: ActivationQuantizer;
  readonly linearAtt: ProductWeight;
  readonly softmax: ActivationQuantizer;
  /** The grid of the memory. */
  readonly memory: ActivationQuantizer;
}

/** What queries look at. */
export interface BahdanauMemory {
  /** Codes [sourceTime, units]. */
  readonly values: Coded;
  /** float32 [sourceTime, units]. */
  readonly keys: Float32Array;
}

/** A context and how it came about. */
export interface BahdanauContext {
  /** float32 [time, units], not quantized. */
  readonly context: Float32Array;
  /** float32 [time, sourceTime]. */
  readonly probabilities: Float32Array;
}

/** The keys of a memory. @param values [sourceTime, units] */
export function memorize(values: Coded, weights: BahdanauWeights, trace: Trace): BahdanauMemory {
  return { values, keys: linear(values, weights.linearK, trace) };
}

/**
 * score(t, s) = fround(fround(sum)·fround(s_t·s_v)) · (g/‖v‖), each a rounding of its own; the context
 * is fround(fround(sum)·fround(s_p·s_values)).
 * @param r codes [time, units]
 */
export function attendTo(
  r: Coded,
  memory: BahdanauMemory,
  weights: BahdanauWeights,
  trace: Trace,
): BahdanauContext {
  const units = weights.bias.length;
  const queries = linear(r, weights.linearQ, trace);
  const time = queries.length / units;
  const sourceTime = memory.keys.length / units;
  const tangents = new Float32Array(time * sourceTime * units);
  for (let t = 0; t < time; t++) {
    for (let s = 0; s < sourceTime; s++) {
      const at = (t * sourceTime + s) * units;
      const sums = tangents.subarray(at, at + units);
      add(row(queries, t, units), row(memory.keys, s, units), sums);
      add(sums, weights.bias, sums);
    }
  }
  const coded = weights.tanh.apply(tangents.map(tanh32), trace);
  const name = `${weights.path}/matmul_score`;
  const scores = linear(coded, { product: name, weight: weights.linearAtt, bias: null }, trace);
  multiplyScalar(scores, factorOf(weights), scores);
  const probabilities = new Float32Array(scores.length);
  maskedSoftmax(scores, probabilities, time, sourceTime, () => sourceTime);
  const attention = weights.softmax.apply(probabilities, trace);
  return { context: contextOf(attention, memory.values, weights, trace), probabilities };
}

/** g/‖v‖ of the rounded v: the sum of squares in four float64 lanes, as everywhere. */
function factorOf({ linearAtt, scaler }: BahdanauWeights): number {
  const lanes = new DoubleLanes();
  const scale = linearAtt.scale[0]!;
  linearAtt.codes.forEach((code, i) => {
    const value = Math.fround(code * scale);
    lanes.add(i, value * value);
  });
  const norm = Math.fround(Math.sqrt(Math.fround(lanes.sum)));
  return Math.fround(scaler / norm);
}

function contextOf(
  attention: Coded,
  values: Coded,
  { bias, path }: BahdanauWeights,
  trace: Trace,
): Float32Array {
  const units = bias.length;
  const sourceTime = values.codes.length / units;
  const time = attention.codes.length / sourceTime;
  const sums = new Int32Array(time * units);
  for (let t = 0; t < time; t++) {
    for (let s = 0; s < sourceTime; s++) {
      const weight = attention.codes[t * sourceTime + s]!;
      if (weight === 0) continue;
      for (let u = 0; u < units; u++) {
        const product = Math.imul(weight, values.codes[s * units + u]!);
        sums[t * units + u] = (sums[t * units + u]! + product) | 0;
      }
    }
  }
  const { quantizer: left } = attention;
  trace.onProduct?.({ product: `${path}/context_matmul`, left, right: values.quantizer, sums });
  const scales = { scaleA: attention.scale, scaleB: Float32Array.of(values.scale), bias: null };
  return scaleAccumulator(sums, units, scales);
}

function row(x: Float32Array, index: number, width: number): Float32Array {
  return x.subarray(index * width, (index + 1) * width);
}
