/** All compiled kernels, by the name of the loop kernel that each stands in for. */
import type { LoopKernel } from "../loop-kernel.ts";
import type { SimdKernel } from "./simd-call.ts";
import { additiveScores, additiveScoresGrad } from "./simd/additive-scores.ts";
import { cachedAttention, narrowCodes } from "./simd/cached-attention.ts";
import { codeProduct, packCodes } from "./simd/code-product.ts";
import { adam, columnSum, dropout, squareSum } from "./simd/elementwise.ts";
import { embeddingLookup, segmentSum } from "./simd/embedding.ts";
import {
  affineQuant,
  affineQuantCodes,
  fakeQuant,
  fakeQuantCodes,
  fakeQuantGrad,
} from "./simd/fake-quant.ts";
import { roundFloat16 } from "./simd/float16.ts";
import { fusedProduct } from "./simd/fused-product.ts";
import { sigmoid, tanh } from "./simd/gate-activations.ts";
import { joinHeads, splitHeads } from "./simd/heads.ts";
import { layerNorm, layerNormGrad } from "./simd/layer-norm.ts";
import { linear } from "./simd/linear.ts";
import { affineLstmCell, lstmCell, lstmSequence, lstmSequenceGrad } from "./simd/lstm.ts";
import { observe } from "./simd/observers.ts";
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
  QatAdditiveScores: additiveScores,
  QatAdditiveScoresGrad: additiveScoresGrad,
  QatAffineLstmCell: affineLstmCell,
  QatAffineQuant: affineQuant,
  QatAffineQuantCodes: affineQuantCodes,
  QatAttentionSoftmax: attentionSoftmax,
  QatAttentionSoftmaxGrad: attentionSoftmaxGrad,
  QatCachedAttention: cachedAttention,
  QatCodeProduct: codeProduct,
  QatColumnSum: columnSum,
  QatCrossEntropy: crossEntropy,
  QatCrossEntropyGrad: crossEntropyGrad,
  QatDropout: dropout,
  QatEmbeddingLookup: embeddingLookup,
  QatFakeQuant: fakeQuant,
  QatFakeQuantCodes: fakeQuantCodes,
  QatFakeQuantGrad: fakeQuantGrad,
  QatFusedProduct: fusedProduct,
  QatJoinHeads: joinHeads,
  QatLayerNorm: layerNorm,
  QatLayerNormGrad: layerNormGrad,
  QatLinear: linear,
  QatLogSoftmax: logSoftmax,
  QatLstmCell: lstmCell,
  QatLstmSequence: lstmSequence,
  QatLstmSequenceGrad: lstmSequenceGrad,
  QatNarrowCodes: narrowCodes,
  QatObserve: observe,
  QatPackCodes: packCodes,
  QatRoundFloat16: roundFloat16,
  QatSegmentSum: segmentSum,
  QatSigmoid: sigmoid,
  QatSplitHeads: splitHeads,
  QatSquareSum: squareSum,
  QatTanh: tanh,
  QatTopCandidates: topCandidates,
  UnsortedSegmentSum: segmentSum,
};
