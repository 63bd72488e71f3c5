/** What our kernels keep for one wasm backend. */
import type * as tf from "@tensorflow/tfjs";
import { simdModuleOf } from "./backend-start.ts";
import { allocate, guardAllocation, type WasmBackend } from "./memory.ts";
import type { SimdModule } from "./simd-module.ts";
import { createMatMulContext, type MatMulContext } from "./xnnpack-matmul.ts";

/** A backend with its guarded allocation, compiled kernels and scratch memory. */
export class WasmContext {
  readonly backend: WasmBackend;
  /** Compiled kernels, or null where the backend's memory could not be caught. */
  readonly simd: SimdModule | null;
  /** Products by TensorFlow.js' own kernels, for where there is no module. */
  readonly matMul: MatMulContext;
  #scratch = 0;
  #scratchBytes = 0;

  constructor(backend: WasmBackend, transpose: tf.KernelFunc) {
    guardAllocation(backend);
    this.backend = backend;
    this.simd = simdModuleOf(backend);
    this.matMul = createMatMulContext(backend, transpose);
  }

  /**
   * Address of at least `bytes` bytes, 16-byte aligned, whose content is undefined and valid until the
   * next call. May move the memory: take views afterwards.
   */
  scratch(bytes: number): number {
    if (bytes > this.#scratchBytes) {
      const { wasm } = this.backend;
      if (this.#scratch !== 0) wasm._free(this.#scratch);
      // Allocation may fail: what is freed must not be freed again.
      this.#scratch = 0;
      this.#scratchBytes = 0;
      this.#scratch = allocate(this.backend, bytes + 16);
      this.#scratchBytes = bytes;
    }
    return ((this.#scratch + 15) & ~15) >>> 0;
  }
}
