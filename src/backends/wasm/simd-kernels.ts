/** All compiled kernels, by the name of the loop kernel that each stands in for. */
import type { LoopKernel } from "../loop-kernel.ts";
import type { SimdKernel } from "./simd-call.ts";
import { cachedAttention, packCodes } from "./simd/cached-attention.ts";
import { adam, columnSum, dropout, squareSum } from "./simd/elementwise.ts";
import { embeddingLookup, segmentSum } from "./simd/embedding.ts";
import { fakeQuant, fakeQuantCodes, fakeQuantGrad } from "./simd/fake-quant.ts";
import { layerNorm, layerNormGrad } from "./simd/layer-norm.ts";
import {
  attentionSoftmax,
  attentionSoftmaxGrad,
  crossEntropy,
  crossEntropyGrad,
  logSoftmax,
} from "./simd/softmax.ts";
import { topCandidates } from "./simd/top-candidates.ts";

export const SIMD_KERNELS: Readonly<Partial<Record<LoopKernel["name"], SimdKernel>>> = {
  QatAdam: adam,
  QatAttentionSoftmax: attentionSoftmax,
  QatAttentionSoftmaxGrad: attentionSoftmaxGrad,
  QatCachedAttention: cachedAttention,
  QatColumnSum: columnSum,
  QatCrossEntropy: crossEntropy,
  QatCrossEntropyGrad: crossEntropyGrad,
  QatDropout: dropout,
  QatEmbeddingLookup: embeddingLookup,
  QatFakeQuant: fakeQuant,
  QatFakeQuantCodes: fakeQuantCodes,
  QatFakeQuantGrad: fakeQuantGrad,
  QatLayerNorm: layerNorm,
  QatLayerNormGrad: layerNormGrad,
  QatLogSoftmax: logSoftmax,
  QatPackCodes: packCodes,
  QatSegmentSum: segmentSum,
  QatSquareSum: squareSum,
  QatTopCandidates: topCandidates,
  UnsortedSegmentSum: segmentSum,
};
