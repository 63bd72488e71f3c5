/** Attention heads: from columns of rows to matrices of their own, and back. */

/** `count` float32 from an address to another. */
// @ts-ignore: decorator
@inline
function copyRun(from: usize, to: usize, count: i32): void {
  const whole = from + ((<usize>(count & ~3)) << 2);
  for (; from < whole; from += 16, to += 16) v128.store(to, v128.load(from));
  for (let i = count & 3; i > 0; i--, from += 4, to += 4) store<f32>(to, load<f32>(from));
}

/**
 * out[b, h, t, :] = x[b, t, offset + h·depth …] for x [batch, time, width].
 */
export function splitHeads(
  x: usize, out: usize, batch: i32, time: i32, heads: i32, depth: i32, width: i32, offset: i32,
): void {
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < time; t++) {
      let from = x + ((<usize>((b * time + t) * width + offset)) << 2);
      for (let h = 0; h < heads; h++) {
        copyRun(from, out + ((<usize>(((b * heads + h) * time + t) * depth)) << 2), depth);
        from += (<usize>depth) << 2;
      }
    }
  }
}

/** out[b, t, offset + h·depth …] = x[b, h, t, :] for out [batch, time, width]. */
export function joinHeads(
  x: usize, out: usize, batch: i32, time: i32, heads: i32, depth: i32, width: i32, offset: i32,
): void {
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < time; t++) {
      let to = out + ((<usize>((b * time + t) * width + offset)) << 2);
      for (let h = 0; h < heads; h++) {
        copyRun(x + ((<usize>(((b * heads + h) * time + t) * depth)) << 2), to, depth);
        to += (<usize>depth) << 2;
      }
    }
  }
}
