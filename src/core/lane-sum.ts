/**
 * The order of summation of every float reduction: element i is added to lane i mod 4, lanes start
 * at +0, every addition is rounded to float32, and the sum is (lane 0 + lane 2) + (lane 1 + lane 3).
 * A SIMD kernel of four lanes follows it bit for bit, and elements that are exactly 0 at the end
 * change nothing, so padding has no influence.
 */

const f = Math.fround;

/**
 * Sums whose terms may differ widely in size: the same four lanes, kept in float64. Used where a sum
 * runs over a whole tensor.
 */
export class DoubleLanes {
  readonly #lanes = new Float64Array(4);

  /** Adds the value of element i. */
  add(i: number, value: number): void {
    this.#lanes[i & 3]! += value;
  }

  /** (lane 0 + lane 2) + (lane 1 + lane 3), float64. */
  get sum(): number {
    const [l0, l1, l2, l3] = this.#lanes as unknown as [number, number, number, number];
    return l0 + l2 + (l1 + l3);
  }
}

/** Σ x[start … start+count−1], float32. */
export function laneSum(x: Float32Array, start: number, count: number): number {
  let l0 = 0;
  let l1 = 0;
  let l2 = 0;
  let l3 = 0;
  const end = start + count;
  const whole = end - (count % 4);
  let i = start;
  for (; i < whole; i += 4) {
    l0 = f(l0 + x[i]!);
    l1 = f(l1 + x[i + 1]!);
    l2 = f(l2 + x[i + 2]!);
    l3 = f(l3 + x[i + 3]!);
  }
  if (i < end) l0 = f(l0 + x[i]!);
  if (i + 1 < end) l1 = f(l1 + x[i + 1]!);
  if (i + 2 < end) l2 = f(l2 + x[i + 2]!);
  return f(f(l0 + l2) + f(l1 + l3));
}

/** Σ fround(x[i]²), float32. */
export function laneSumOfSquares(x: Float32Array, start: number, count: number): number {
  let l0 = 0;
  let l1 = 0;
  let l2 = 0;
  let l3 = 0;
  const end = start + count;
  const whole = end - (count % 4);
  let i = start;
  for (; i < whole; i += 4) {
    l0 = f(l0 + f(x[i]! * x[i]!));
    l1 = f(l1 + f(x[i + 1]! * x[i + 1]!));
    l2 = f(l2 + f(x[i + 2]! * x[i + 2]!));
    l3 = f(l3 + f(x[i + 3]! * x[i + 3]!));
  }
  if (i < end) l0 = f(l0 + f(x[i]! * x[i]!));
  if (i + 1 < end) l1 = f(l1 + f(x[i + 1]! * x[i + 1]!));
  if (i + 2 < end) l2 = f(l2 + f(x[i + 2]! * x[i + 2]!));
  return f(f(l0 + l2) + f(l1 + l3));
}
