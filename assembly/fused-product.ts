/** A matrix product by fused multiply-add: TensorFlow's rounding on a CPU. */
import { highDoubles, loadPart, lowDoubles, storePart } from "./lanes";

/** fround(acc + x·b) of four sums: the product is exact in float64, and so is all but the last rounding. */
// @ts-ignore: decorator
@inline
function fusedAdd(acc: v128, x: v128, b: v128): v128 {
  const low = f64x2.add(lowDoubles(acc), f64x2.mul(x, lowDoubles(b)));
  const high = f64x2.add(highDoubles(acc), f64x2.mul(x, highDoubles(b)));
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

/**
 * out = a·b for each of `count` pairs of matrices [m, k] and [k, n], every element summed in the order
 * of k as acc = fround(acc + a·b).
 */
export function fusedProduct(
  a: usize, b: usize, out: usize, count: i32, m: i32, k: i32, n: i32,
): void {
  const rowBytes = (<usize>n) << 2;
  const wholeBytes = (<usize>(n & ~3)) << 2;
  const rest = n & 3;
  memory.fill(out, 0, <usize>count * <usize>m * rowBytes);
  for (let g = 0; g < count; g++) {
    for (let i = 0; i < m; i++) {
      let line = b;
      for (let p = 0; p < k; p++) {
        const x = f64x2.splat(<f64>load<f32>(a));
        let at: usize = 0;
        for (; at < wholeBytes; at += 16) {
          v128.store(out + at, fusedAdd(v128.load(out + at), x, v128.load(line + at)));
        }
        if (rest) {
          const sum = fusedAdd(loadPart(out + at, rest, 0), x, loadPart(line + at, rest, 0));
          storePart(out + at, sum, rest);
        }
        a += 4;
        line += rowBytes;
      }
      out += rowBytes;
    }
    b += <usize>k * rowBytes;
  }
}
