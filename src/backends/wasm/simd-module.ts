/** The compiled SIMD kernels, as an instance over the backend's memory. */
import { SHARED_SIMD_BINARY, SIMD_BINARY } from "./binary.ts";

/** The functions of assembly/index.ts. */
const SIMD_FUNCTIONS = [
  "adam",
  "additiveScores",
  "additiveScoresGrad",
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
  "hasNaN",
  "joinHeads",
  "layerNorm",
  "layerNormGrad",
  "logSoftmax",
  "lookUp",
  "lstmCell",
  "lstmSequence",
  "lstmSequenceGrad",
  "narrowCodes",
  "observe",
  "packCodes",
  "packRight",
  "packedBytes",
  "packedCodeBytes",
  "roundFloat16",
  "segmentSum",
  "sigmoid",
  "softmaxGrad",
  "splitHeads",
  "squareSum",
  "tanh",
  "topCandidates",
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
  const module = await compileSimd(memory);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const functions = exports as SimdModule;
  return Object.fromEntries(SIMD_FUNCTIONS.map((name) => [name, functions[name]])) as SimdModule;
}

/**
 * Compiles the kernels for a memory.
 * @throws {WebAssembly.CompileError} where the host has no SIMD
 */
export function compileSimd(memory: WebAssembly.Memory): Promise<WebAssembly.Module> {
  return WebAssembly.compile(bytesOf(isShared(memory) ? SHARED_SIMD_BINARY : SIMD_BINARY));
}

/** True for a memory that threads share. */
export function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
