/** Registration of our kernels, for users who choose their backend themselves. */
import * as tf from "@tensorflow/tfjs";
import { registerCpuKernels } from "./cpu.ts";
import { registerNativeKernels } from "./native/register.ts";
import { registerWasmKernels } from "./wasm/register.ts";

/**
 * Registers our kernels for every backend that has been imported. Idempotent; operations run on
 * other backends too, as compositions of TensorFlow.js' own.
 */
export function registerKernels(): void {
  const has = (backend: string): boolean => tf.getKernelsForBackend(backend).length > 0;
  if (has("cpu")) registerCpuKernels();
  if (has("wasm")) registerWasmKernels();
  if (has("tensorflow")) registerNativeKernels();
}
