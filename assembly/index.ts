/** Kernels over TensorFlow.js' wasm memory. Addresses are bytes; nothing is allocated here. */
export { additiveScores, additiveScoresGrad } from "./additive-scores";
export { cachedAttention, cachedAttentionScratchBytes, narrowCodes } from "./cached-attention";
export { codeGemm, codeGemmScratchBytes, packCodes, packedCodeBytes } from "./code-gemm";
export { crossEntropy, crossEntropyGrad } from "./cross-entropy";
export { fakeQuant, fakeQuantGrad } from "./fake-quant";
export { roundFloat16 } from "./float16";
export { fusedProduct } from "./fused-product";
export { sigmoid, tanh } from "./gates";
export { gemm, gemmRows, gemmScratchBytes } from "./gemm";
export { joinHeads, splitHeads } from "./heads";
export { layerNorm, layerNormGrad } from "./layer-norm";
export { lstmCell, lstmSequence } from "./lstm";
export { lstmSequenceGrad } from "./lstm-grad";
export { observe } from "./observe";
export { adam, dropout } from "./optimizer";
export { packedBytes, packRight } from "./packed-gemm";
export {
  columnSum,
  hasNaN,
  lookUp,
  segmentSum,
  squareSum,
} from "./reduce";
export { attentionSoftmax, logSoftmax, softmaxGrad } from "./softmax";
export { topCandidates } from "./top-candidates";
