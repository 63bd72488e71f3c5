/** The sublayers of a Transformer over integer codes. */
import { add } from "../../core/elementwise.ts";
import { layerNorm, type LayerNormWeights } from "../../core/layer-norm.ts";
import { attend, type AttentionSpec, type KeyValues } from "./attention.ts";
import type { ActivationQuantizer, Coded } from "./coded.ts";
import { linear, type Linear } from "./product.ts";
import type { Trace } from "./trace.ts";

/** Rows between sublayers: float32 [rows, dim], and their codes where they lie on a grid. */
export interface Rows {
  readonly values: Float32Array;
  readonly coded: Coded | null;
}

/** The layer norm and residual connection around a sublayer. */
export interface Wrapper {
  readonly norm: LayerNormWeights;
  readonly quantizer: ActivationQuantizer;
  readonly postNormalize: boolean;
}

/** A product whose result is quantized. */
export interface QuantizedLinear {
  readonly linear: Linear;
  readonly output: ActivationQuantizer;
}

/** The two maps of a feed-forward layer. */
export interface FeedForwardWeights {
  readonly dense1: Linear;
  readonly hidden: ActivationQuantizer;
  readonly dense2: Linear;
}

/** Attention, the quantizer of its context and the map that follows. */
export interface AttentionWeights {
  readonly spec: AttentionSpec;
  readonly context: ActivationQuantizer;
  readonly transform: QuantizedLinear;
}

/** Attention of a sequence to itself, with the fused map to queries, keys and values. */
export interface SelfAttentionWeights extends AttentionWeights {
  readonly qkv: QuantizedLinear;
}

/** Attention to the encoder's results. */
export interface CrossAttentionWeights extends AttentionWeights {
  readonly q: QuantizedLinear;
  readonly kv: QuantizedLinear;
}

/**
 * Pre-norm: x + inner(quant(norm(x))). Post-norm: quant(norm(x + inner(x))), where x is on a grid.
 */
export function wrap(
  x: Rows,
  wrapper: Wrapper,
  inner: (input: Coded) => Float32Array,
  trace: Trace,
): Rows {
  const { norm, quantizer, postNormalize } = wrapper;
  if (!postNormalize) {
    const normalized = normalize(x.values, norm, quantizer, trace);
    return { values: added(x.values, inner(normalized)), coded: null };
  }
  const coded = normalize(added(x.values, inner(x.coded!)), norm, quantizer, trace);
  return { values: valuesOf(coded), coded };
}

/** quant(norm(x)). */
export function normalize(
  x: Float32Array,
  norm: LayerNormWeights,
  quantizer: ActivationQuantizer,
  trace: Trace,
): Coded {
  return quantizer.apply(layerNorm(x, new Float32Array(x.length), norm), trace);
}

/** fround(code · scale). */
export function valuesOf({ codes, scale }: Coded): Float32Array {
  return Float32Array.from(codes, (code) => code * scale);
}

function added(x: Float32Array, y: Float32Array): Float32Array {
  return add(x, y, new Float32Array(x.length));
}

/** quant(x·kernel + bias). */
export function quantizedLinear(x: Coded, map: QuantizedLinear, trace: Trace): Coded {
  return map.output.apply(linear(x, map.linear, trace), trace);
}

/** dense2(quant(relu(dense1(x)))). */
export function feedForward(x: Coded, weights: FeedForwardWeights, trace: Trace): Float32Array {
  const sums = linear(x, weights.dense1, trace);
  const hidden = weights.hidden.apply(
    sums.map((v) => (v < 0 ? 0 : v)),
    trace,
  );
  return linear(hidden, weights.dense2, trace);
}

/** Codes of queries, keys and values side by side, cut into one array for each row and part. */
export function splitRows(x: Coded, parts: number, dim: number): Int32Array[][] {
  const rows = x.codes.length / (parts * dim);
  return Array.from({ length: parts }, (_, part) =>
    Array.from({ length: rows }, (_row, row) => {
      const start = (row * parts + part) * dim;
      return x.codes.subarray(start, start + dim);
    }),
  );
}

/** Rows one after the other. */
export function joinRows(rows: readonly Int32Array[], dim: number): Int32Array {
  const joined = new Int32Array(rows.length * dim);
  rows.forEach((row, i) => {
    joined.set(row, i * dim);
  });
  return joined;
}

/** A block of rows whose attention is computed together: a sentence, or one row of a step. */
export interface QueryBlock {
  readonly memory: KeyValues;
  /** Number of consecutive query rows. */
  readonly queries: number;
  readonly causal: boolean;
}

/** Attention of consecutive blocks of query rows, then the output map over all rows. */
export function attendBlocks(
  q: Int32Array,
  blocks: readonly QueryBlock[],
  weights: AttentionWeights,
  trace: Trace,
): Float32Array {
  const context = new Float32Array(q.length);
  let start = 0;
  for (const { memory, queries, causal } of blocks) {
    const end = start + queries * memory.keys[0]!.length;
    context.set(attend(q.subarray(start, end), memory, causal, weights.spec, trace), start);
    start = end;
  }
  const coded = weights.context.apply(context, trace);
  return valuesOf(quantizedLinear(coded, weights.transform, trace));
}
