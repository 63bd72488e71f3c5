/** The compiled SIMD kernels, as an instance over the backend's memory. */
import { SHARED_SIMD_BINARY, SIMD_BINARY } from "./binary.ts";

/** The functions of assembly/index.ts. */
const SIMD_FUNCTIONS = [
  "adam",
  "attentionSoftmax",
  "cachedAttention",
  "cachedAttentionScratchBytes",
  "codeGemm",
  "codeGemmScratchBytes",
  "columnSum",
  "crossEntropy",
  "crossEntropyGrad",
  "dropout",
  "fakeQuant",
  "fakeQuantGrad",
  "fusedProduct",
  "gemm",
  "gemmRows",
  "gemmScratchBytes",
  "joinHeads",
  "layerNorm",
  "layerNormGrad",
  "logSoftmax",
  "lookUp",
  "magnitudeHistogram",
  "narrowCodes",
  "packCodes",
  "packedCodeBytes",
  "segmentSum",
  "softmaxGrad",
  "splitHeads",
  "squareSum",
  "topCandidates",
  "valueRange",
] as const;

/** Compiled functions by name; addresses are in bytes. Parameters: see assembly/. */
export type SimdModule = Readonly<
  Record<(typeof SIMD_FUNCTIONS)[number], (...values: number[]) => number>
>;

/**
 * Compiles and instantiates the kernels over a memory.
 * @throws {WebAssembly.CompileError} where the host has no SIMD
 */
export async function instantiateSimd(memory: WebAssembly.Memory): Promise<SimdModule> {
  const isShared =
    typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
  const binary = bytesOf(isShared ? SHARED_SIMD_BINARY : SIMD_BINARY);
  const { instance } = await WebAssembly.instantiate(binary, { env: { memory } });
  const functions = instance.exports as SimdModule;
  return Object.fromEntries(SIMD_FUNCTIONS.map((name) => [name, functions[name]])) as SimdModule;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
