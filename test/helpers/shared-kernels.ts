/** The compiled kernels over a shared memory that a test fills. */
import { RandomStream } from "../../src/core/random.ts";
import {
  compileSimd,
  instantiateSimd,
  type SimdModule,
} from "../../src/backends/wasm/simd-module.ts";
import { nodeWorkerClass } from "../../src/backends/wasm/threads/node-host.ts";
import type { ThreadPoolOptions } from "../../src/backends/wasm/threads/thread-pool.ts";

const PAGE = 65536;

/** Kernels on one thread, and what a pool over the same memory is made of. */
export interface SharedKernels {
  readonly direct: SimdModule;
  readonly options: Omit<ThreadPoolOptions, "threads">;
  /** Address of new memory; nothing takes it back. */
  allocate(bytes: number): number;
  /** Address of random numbers. */
  normal(count: number): number;
  /** Address of integers from 0 to below−1. */
  integers(count: number, below: number): number;
  floats(address: number, count: number): Float32Array;
}

export async function makeSharedKernels(): Promise<SharedKernels> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: PAGE, shared: true });
  const direct = await instantiateSimd(memory);
  const random = new RandomStream({ seed: 1, stream: 0 });
  let end = 64;
  const allocate = (bytes: number): number => {
    const address = end;
    end = Math.ceil((end + bytes) / 64) * 64;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    return address;
  };
  const floats = (address: number, count: number): Float32Array =>
    new Float32Array(memory.buffer, address, count);
  return {
    direct,
    options: {
      Worker: nodeWorkerClass()!,
      memory,
      module: await compileSimd(memory),
      functions: direct,
      allocate,
      free: () => undefined,
    },
    allocate,
    floats,
    normal: (count) => {
      const address = allocate(4 * count);
      const view = floats(address, count);
      for (let i = 0; i < count; i++) view[i] = random.normal();
      return address;
    },
    integers: (count, below) => {
      const address = allocate(4 * count);
      const view = new Int32Array(memory.buffer, address, count);
      for (let i = 0; i < count; i++) view[i] = random.integer(below);
      return address;
    },
  };
}
