/** Compiled moves of attention heads. */
import type { SimdKernel } from "../simd-call.ts";

export const splitHeads: SimdKernel = (call) => {
  const [batch, time, width] = call.shape("x") as [number, number, number];
  const heads = call.attributes["heads"] as number;
  const depth = width / (call.out.length * heads);
  const x = call.address("x");
  call.out.forEach((out, part) => {
    call.simd.splitHeads(x, out, batch, time, heads, depth, width, part * heads * depth);
  });
  return true;
};

export const joinHeads: SimdKernel = (call) => {
  const [batch, heads, time, depth] = call.shape("part0") as [number, number, number, number];
  let parts = 1;
  while (call.has(`part${parts}`)) parts++;
  const width = parts * heads * depth;
  for (let part = 0; part < parts; part++) {
    const x = call.address(`part${part}`);
    const offset = part * heads * depth;
    call.simd.joinHeads(x, call.out[0]!, batch, time, heads, depth, width, offset);
  }
  return true;
};
