/**
 * Attention of single queries to keys and values that lie where earlier steps have left them, in
 * plain loops: the definition that kernels are tested against.
 */
import { codeOf, type Grid } from "./affine.ts";
import { maskedSoftmax } from "./softmax.ts";

/** One position's keys, followed by its values: heads side by side. */
export interface CachedCell {
  /** float32 values, or int8 codes. */
  readonly data: Float32Array | Int8Array;
  /** Index of the first key. */
  readonly start: number;
}

/** Sizes, scales and grids of {@link attendToCells}. */
export interface CachedAttentionSpec {
  readonly heads: number;
  /** Width of one head. */
  readonly depth: number;
  /** Scales of the codes in queries and cells, float32; null where both hold values. */
  readonly scales: { readonly queries: number; readonly cells: number } | null;
  /** Grid of the probabilities; null leaves them float. */
  readonly softmax: Grid | null;
}

/**
 * softmax(q·kᵀ·depth^−½)·v of one query.
 *
 * Products of codes are exact int32 sums, scaled once as in `integer-product.ts`; products of values
 * are acc = fround(acc + fround(a·b)) from +0 in the order of the common axis. The factor depth^−½
 * is a rounding of its own. Where the cells hold codes but the probabilities have no grid, values
 * are code · scale.
 *
 * @param query float32 [heads · depth]: codes where `spec.scales` is given, else values
 * @param cells one for each visible position, in order
 * @param out receives float32 [heads · depth]
 */
export function attendToCells(
  query: Float32Array,
  cells: readonly CachedCell[],
  spec: CachedAttentionSpec,
  out: Float32Array,
): void {
  const { heads, depth } = spec;
  const scores = new Float32Array(cells.length);
  for (let head = 0; head < heads; head++) {
    const from = head * depth;
    scoreCells(query.subarray(from, from + depth), cells, from, spec, scores);
    maskedSoftmax(scores, scores, 1, cells.length, () => cells.length);
    sumValues(scores, cells, spec, from, out.subarray(from, from + depth));
  }
}

/** Scaled scores of one head's query. @param from index of the head's first element in a cell */
function scoreCells(
  query: Float32Array,
  cells: readonly CachedCell[],
  from: number,
  { depth, scales }: CachedAttentionSpec,
  scores: Float32Array,
): void {
  const f = Math.fround;
  const factor = f(depth ** -0.5);
  const scale = scales === null ? 1 : f(f(scales.queries) * f(scales.cells));
  cells.forEach(({ data, start }, i) => {
    let sum = 0;
    for (let d = 0; d < depth; d++) {
      const part = query[d]! * data[start + from + d]!;
      // Sums of codes are exact in float64 beyond any length that occurs.
      sum = scales === null ? f(sum + f(part)) : sum + part;
    }
    scores[i] = f(f(sum) * scale) * factor;
  });
}

/** Σ probability · value of one head; rounds the probabilities onto their grid first. */
function sumValues(
  probabilities: Float32Array,
  cells: readonly CachedCell[],
  { heads, depth, scales, softmax }: CachedAttentionSpec,
  from: number,
  out: Float32Array,
): void {
  const f = Math.fround;
  const codes = Array.from(probabilities, (p) => (softmax === null ? p : codeOf(p, softmax)));
  const values = heads * depth + from;
  for (let e = 0; e < depth; e++) {
    let sum = 0;
    if (scales !== null && softmax !== null) {
      cells.forEach(({ data, start }, j) => (sum += codes[j]! * data[start + values + e]!));
      out[e] = f(sum) * f(softmax.scale * f(scales.cells));
      continue;
    }
    const step = softmax === null ? 1 : softmax.scale;
    const scale = scales === null ? 1 : f(scales.cells);
    cells.forEach(({ data, start }, j) => {
      sum = f(sum + f(f(codes[j]! * step) * f(data[start + values + e]! * scale)));
    });
    out[e] = sum;
  }
}
