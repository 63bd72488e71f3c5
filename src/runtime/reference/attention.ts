/** Multi-head attention over integer codes. */
import { multiplyScalar } from "../../core/elementwise.ts";
import { maskedSoftmax } from "../../core/softmax.ts";
import type { ActivationQuantizer } from "./coded.ts";
import { dot } from "./product.ts";
import type { Trace } from "./trace.ts";

/** Codes of keys and values, one row for each position. */
export interface KeyValues {
  /** [dim] each. */
  readonly keys: readonly Int32Array[];
  readonly values: readonly Int32Array[];
}

/** The quantizers and sizes of one attention layer. */
export interface AttentionSpec {
  /** Checkpoint path of the layer. */
  readonly path: string;
  readonly numHeads: number;
  /** Quantizer of the queries, and of the keys and values. */
  readonly queries: ActivationQuantizer;
  readonly keyValues: ActivationQuantizer;
  readonly softmax: ActivationQuantizer;
}

/**
 * softmax(q·kᵀ·s·d_head^−½)·v before its quantizer. Scores are fround(fround(sum)·fround(s_q·s_k)),
 * then · d_head^−½ as a separate rounding; the context is fround(fround(sum)·fround(s_p·s_v)).
 * @param q codes [queries, dim]
 * @param causal query i sees keys 0 … i only
 * @returns float32 [queries, dim]
 */
export function attend(
  q: Int32Array,
  memory: KeyValues,
  causal: boolean,
  spec: AttentionSpec,
  trace: Trace,
): Float32Array {
  const keyCount = memory.keys.length;
  const dim = memory.keys[0]!.length;
  const queryCount = q.length / dim;
  const visible = (row: number) => (causal ? (row % queryCount) + 1 : keyCount);
  const rows = spec.numHeads * queryCount;
  const scores = scoresOf(q, memory.keys, spec, visible, trace);
  maskedSoftmax(scores, scores, rows, keyCount, visible);
  const weights = spec.softmax.apply(scores, trace).codes;
  return contextOf(weights, memory.values, spec, visible, trace);
}

/** Scaled scores [heads, queries, keys]; 0 where a key is not visible. */
function scoresOf(
  q: Int32Array,
  keys: readonly Int32Array[],
  spec: AttentionSpec,
  visible: (row: number) => number,
  trace: Trace,
): Float32Array {
  const dim = keys[0]!.length;
  const queryCount = q.length / dim;
  const headDim = dim / spec.numHeads;
  const sums = new Int32Array(spec.numHeads * queryCount * keys.length);
  for (let row = 0; row < spec.numHeads * queryCount; row++) {
    const from = Math.floor(row / queryCount) * headDim;
    const query = (row % queryCount) * dim + from;
    const count = visible(row);
    for (let j = 0; j < count; j++) {
      sums[row * keys.length + j] = dot(q, query, keys[j]!, from, headDim);
    }
  }
  report(spec, "scores", [spec.queries, spec.keyValues], sums, trace);
  const scores = scaled(sums, spec.queries.scale, spec.keyValues.scale);
  return multiplyScalar(scores, headDim ** -0.5, scores);
}

/** Weighted sums of the values, heads side by side: [queries, dim]. */
function contextOf(
  weights: Int32Array,
  values: readonly Int32Array[],
  spec: AttentionSpec,
  visible: (row: number) => number,
  trace: Trace,
): Float32Array {
  const keyCount = values.length;
  const dim = values[0]!.length;
  const headDim = dim / spec.numHeads;
  const queryCount = weights.length / (spec.numHeads * keyCount);
  const sums = new Int32Array(queryCount * dim);
  for (let row = 0; row < spec.numHeads * queryCount; row++) {
    const from = Math.floor(row / queryCount) * headDim;
    const to = (row % queryCount) * dim + from;
    const count = visible(row);
    for (let j = 0; j < count; j++) {
      const weight = weights[row * keyCount + j]!;
      if (weight === 0) continue;
      const value = values[j]!;
      for (let e = 0; e < headDim; e++) {
        sums[to + e] = (sums[to + e]! + Math.imul(weight, value[from + e]!)) | 0;
      }
    }
  }
  report(spec, "context", [spec.softmax, spec.keyValues], sums, trace);
  return scaled(sums, spec.softmax.scale, spec.keyValues.scale);
}

/** fround(fround(sum)·fround(scaleA·scaleB)). */
function scaled(sums: Int32Array, scaleA: number, scaleB: number): Float32Array {
  const y = Float32Array.from(sums);
  return multiplyScalar(y, Math.fround(scaleA) * Math.fround(scaleB), y);
}

function report(
  spec: AttentionSpec,
  name: string,
  [left, right]: readonly [ActivationQuantizer, ActivationQuantizer],
  sums: Int32Array,
  trace: Trace,
): void {
  trace.onProduct?.({
    product: `${spec.path}/${name}`,
    left: left.path,
    right: right.path,
    sums,
  });
}
