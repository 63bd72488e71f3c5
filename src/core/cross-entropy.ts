/** Cross-entropy with label smoothing in float32 with a fixed order of operations. */
import { exp32, log32 } from "./exp.ts";
import { DoubleLanes, laneSum } from "./lane-sum.ts";
import { maximum } from "./softmax.ts";

/** The smoothed distribution of a target: its own value and that of every other class. */
export interface SmoothedTarget {
  readonly atTarget: number;
  readonly other: number;
}

/** Sizes and constants of {@link crossEntropy}. */
export interface CrossEntropySpec extends SmoothedTarget {
  readonly classes: number;
  /** Loss of a perfect prediction, subtracted. */
  readonly perfect: number;
}

/**
 * For each row: e_i = exp32(x_i − max), p_i = e_i/Σe (float32, lanes); loss = −(atTarget − other)·t −
 * other·a − perfect in float64, rounded once, with L = log32(Σe), t = fround(x_target − max) − L and
 * a = Σ fround(x_i − max) − classes·L (float64 lanes).
 * @param x logits [rows, classes]
 * @param targets [rows]
 * @param p receives the probabilities [rows, classes]; not x
 * @param loss receives [rows]
 */
export function crossEntropy(
  x: Float32Array,
  targets: Int32Array,
  spec: CrossEntropySpec,
  { p, loss }: { readonly p: Float32Array; readonly loss: Float32Array },
): void {
  const f = Math.fround;
  const { classes, atTarget, other, perfect } = spec;
  for (let row = 0; row < targets.length; row++) {
    const start = row * classes;
    const end = start + classes;
    const max = maximum(x, start, end);
    const shifted = new DoubleLanes();
    for (let i = start; i < end; i++) {
      const v = f(x[i]! - max);
      p[i] = exp32(v);
      shifted.add(i - start, v);
    }
    const sum = laneSum(p, start, classes);
    for (let i = start; i < end; i++) p[i] = p[i]! / sum;
    const logSum = log32(sum);
    const target = f(x[start + targets[row]!]! - max) - logSum;
    const all = shifted.sum - classes * logSum;
    loss[row] = -(atTarget - other) * target - other * all - perfect;
  }
}

/**
 * dlogits = (p − q)·dloss, q the smoothed distribution; every operation rounded to float32.
 * @param dloss [rows]
 * @param p [rows, classes]
 * @param out receives [rows, classes]; may be p
 */
export function crossEntropyGradient(
  dloss: Float32Array,
  p: Float32Array,
  targets: Int32Array,
  spec: SmoothedTarget & { readonly classes: number },
  out: Float32Array,
): void {
  const f = Math.fround;
  const { classes } = spec;
  const other = f(spec.other);
  const atTarget = f(spec.atTarget);
  for (let row = 0; row < targets.length; row++) {
    const start = row * classes;
    const g = dloss[row]!;
    const at = start + targets[row]!;
    const pTarget = p[at]!;
    for (let i = start; i < start + classes; i++) out[i] = f(p[i]! - other) * g;
    out[at] = f(pTarget - atTarget) * g;
  }
}
