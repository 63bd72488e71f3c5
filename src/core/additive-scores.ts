/** Scores of additive attention in float32 with a fixed order of operations, and their gradient. */
import { type Grid, onGrid } from "./affine.ts";
import { ClipSums } from "./clip-sums.ts";
import { tanh32 } from "./gate-activations.ts";
import { laneSum } from "./lane-sum.ts";
import type { ZeroClipRule } from "./quantize.ts";

/** Sizes of {@link additiveScores}. */
export interface AdditiveScoresSize {
  readonly batch: number;
  readonly time: number;
  readonly sourceTime: number;
  readonly units: number;
}

/** What scores are made of, row-major. */
export interface AdditiveScoresInputs {
  /** [batch, time, units]. */
  readonly queries: Float32Array;
  /** [batch, sourceTime, units]. */
  readonly keys: Float32Array;
  /** [units]. */
  readonly bias: Float32Array;
  /** [units]. */
  readonly weights: Float32Array;
  /** Of the tangents; null leaves them in float. */
  readonly grid: Grid | null;
}

/**
 * score[b, t, s] = Σ over u of fround(weights[u]·Q(tanh(fround(fround(queries[b, t, u] +
 * keys[b, s, u]) + bias[u])))), the sum by `lane-sum.ts`.
 * @param out receives [batch, time, sourceTime]
 */
export function additiveScores(
  inputs: AdditiveScoresInputs,
  size: AdditiveScoresSize,
  out: Float32Array,
): void {
  const { weights, grid } = inputs;
  const terms = new Float32Array(size.units);
  eachPair(size, (query, key, at) => {
    for (let u = 0; u < terms.length; u++) {
      terms[u] = weights[u]! * onGrid(tangentOf(inputs, query + u, key + u, u), grid);
    }
    out[at] = laneSum(terms, 0, terms.length);
  });
}

/** Receives the gradients; not initialised. */
export interface AdditiveScoresGradients {
  readonly dqueries: Float32Array;
  readonly dkeys: Float32Array;
  readonly dbias: Float32Array;
  readonly dweights: Float32Array;
  /** [1]; null where the tangents are in float. */
  readonly dclip: Float32Array | null;
}

/**
 * With y the tangent and d = fround(dscore·weights[u]), passed back through the quantizer as
 * `quantize.ts`' fakeQuantGradient does: ds = fround(d·fround(1 − fround(y²))). dqueries = Σ over s and
 * dkeys = Σ over t of ds, in order; dbias = Σ of dqueries over [batch, time] in order; dweights =
 * Σ fround(dscore·Q(y)), for each batch member over t and s in order, then over the members. The clip's
 * sums are made for each member in four float64 lanes by unit. All else is float32.
 */
export function additiveScoresGradient(
  inputs: AdditiveScoresInputs & { readonly dscores: Float32Array },
  size: AdditiveScoresSize,
  compat: ZeroClipRule,
  out: AdditiveScoresGradients,
): void {
  const f = Math.fround;
  const { dscores, weights, grid } = inputs;
  const { batch, time, sourceTime, units } = size;
  const { dqueries, dkeys } = out;
  dqueries.fill(0);
  dkeys.fill(0);
  const shares = new Float32Array(batch * units);
  const clips = new ClipSums([grid], compat, batch);
  eachPair(size, (query, key, at) => {
    const dscore = dscores[at]!;
    const member = Math.floor(at / (time * sourceTime));
    for (let u = 0; u < units; u++) {
      const y = tangentOf(inputs, query + u, key + u, u);
      shares[member * units + u]! += f(dscore * onGrid(y, grid));
      const d = clips.back({ place: 0, row: member, unit: u }, y, f(dscore * weights[u]!));
      const ds = f(d * f(1 - f(y * y)));
      dqueries[query + u]! += ds;
      dkeys[key + u]! += ds;
    }
  });
  sumRows(dqueries, out.dbias);
  sumRows(shares, out.dweights);
  out.dclip?.set(clips.gradients());
}

/** @param visit receives where the query's row, the key's row and the score are */
function eachPair(
  { batch, time, sourceTime, units }: AdditiveScoresSize,
  visit: (query: number, key: number, at: number) => void,
): void {
  for (let row = 0, at = 0; row < batch * time; row++) {
    const member = Math.floor(row / time);
    for (let s = 0; s < sourceTime; s++, at++) {
      visit(row * units, (member * sourceTime + s) * units, at);
    }
  }
}

function tangentOf(
  { queries, keys, bias }: AdditiveScoresInputs,
  query: number,
  key: number,
  u: number,
): number {
  const f = Math.fround;
  return tanh32(f(f(queries[query]! + keys[key]!) + bias[u]!));
}

/** Σ over the rows of x, in order. */
function sumRows(x: Float32Array, out: Float32Array): void {
  out.fill(0);
  x.forEach((value, at) => (out[at % out.length]! += value));
}
