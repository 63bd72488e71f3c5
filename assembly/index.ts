/** Kernels over TensorFlow.js' wasm memory. Addresses are bytes; nothing is allocated here. */
export { cachedAttention, cachedAttentionScratchBytes, packCodes } from "./cached-attention";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy";
export { fakeQuant, fakeQuantGrad } from "./fake-quant";
export { gemm, gemmRows, gemmScratchBytes } from "./gemm";
export { layerNorm, layerNormGrad } from "./layer-norm";
export { adam, dropout } from "./optimizer";
export {
  columnSum,
  lookUp,
  magnitudeHistogram,
  segmentSum,
  squareSum,
  valueRange,
} from "./reduce";
export { attentionSoftmax, logSoftmax, softmaxGrad } from "./softmax";
export { topCandidates } from "./top-candidates";
