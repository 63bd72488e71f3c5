/** Kernels over TensorFlow.js' wasm memory. Addresses are bytes; nothing is allocated here. */
export { cachedAttention, cachedAttentionScratchBytes, narrowCodes } from "./cached-attention";
export { codeGemm, codeGemmScratchBytes, packCodes, packedCodeBytes } from "./code-gemm";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy";
export { fakeQuant, fakeQuantGrad } from "./fake-quant";
export { fusedProduct } from "./fused-product";
export { gemm, gemmRows, gemmScratchBytes } from "./gemm";
export { joinHeads, splitHeads } from "./heads";
export { layerNorm, layerNormGrad } from "./layer-norm";
export { adam, dropout } from "./optimizer";
export {
  columnSum,
  hasNaN,
  lookUp,
  magnitudeHistogram,
  segmentSum,
  squareSum,
  valueRange,
} from "./reduce";
export { attentionSoftmax, logSoftmax, softmaxGrad } from "./softmax";
export { topCandidates } from "./top-candidates";
