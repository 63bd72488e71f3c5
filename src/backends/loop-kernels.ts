/** All loop kernels. */
import { additiveScoresGradKernel, additiveScoresKernel } from "./loops/additive-scores-kernels.ts";
import { affineQuantCodesKernel, affineQuantKernel } from "./loops/affine-quant-kernels.ts";
import {
  attentionSoftmaxGradKernel,
  attentionSoftmaxKernel,
  logSoftmaxKernel,
} from "./loops/softmax-kernels.ts";
import { cachedAttentionKernel, narrowCodesKernel } from "./loops/cached-attention-kernels.ts";
import { crossEntropyGradKernel, crossEntropyKernel } from "./loops/cross-entropy-kernels.ts";
import { codeProductKernel, packCodesKernel } from "./loops/code-product-kernels.ts";
import { dropoutKernel } from "./loops/dropout-kernel.ts";
import {
  embeddingLookupKernel,
  segmentSumKernel,
  unsortedSegmentSumKernel,
} from "./loops/embedding-kernels.ts";
import {
  fakeQuantCodesKernel,
  fakeQuantGradKernel,
  fakeQuantKernel,
} from "./loops/fake-quant-kernels.ts";
import { roundFloat16Kernel } from "./loops/float16-kernel.ts";
import { fusedProductKernel } from "./loops/fused-product-kernel.ts";
import { sigmoidKernel, tanhKernel } from "./loops/gate-activation-kernels.ts";
import { joinHeadsKernel, splitHeadsKernel } from "./loops/heads-kernels.ts";
import { layerNormGradKernel, layerNormKernel } from "./loops/layer-norm-kernels.ts";
import { columnSumKernel, linearKernel } from "./loops/linear-kernels.ts";
import {
  affineLstmCellKernel,
  lstmCellKernel,
  lstmSequenceGradKernel,
  lstmSequenceKernel,
} from "./loops/lstm-kernels.ts";
import { observeKernel } from "./loops/observer-kernels.ts";
import { adamKernel, squareSumKernel } from "./loops/optimizer-kernels.ts";
import { topCandidatesKernel } from "./loops/top-candidates-kernel.ts";
import type { LoopKernel } from "./loop-kernel.ts";

/** One kernel for each of our operations, and TensorFlow.js' own segment sum. */
export const LOOP_KERNELS: readonly LoopKernel[] = [
  adamKernel,
  additiveScoresKernel,
  additiveScoresGradKernel,
  affineLstmCellKernel,
  affineQuantKernel,
  affineQuantCodesKernel,
  attentionSoftmaxKernel,
  attentionSoftmaxGradKernel,
  cachedAttentionKernel,
  codeProductKernel,
  columnSumKernel,
  crossEntropyKernel,
  crossEntropyGradKernel,
  dropoutKernel,
  embeddingLookupKernel,
  fakeQuantKernel,
  fakeQuantCodesKernel,
  fakeQuantGradKernel,
  fusedProductKernel,
  joinHeadsKernel,
  layerNormKernel,
  layerNormGradKernel,
  linearKernel,
  logSoftmaxKernel,
  lstmCellKernel,
  lstmSequenceKernel,
  lstmSequenceGradKernel,
  narrowCodesKernel,
  observeKernel,
  packCodesKernel,
  roundFloat16Kernel,
  segmentSumKernel,
  sigmoidKernel,
  splitHeadsKernel,
  squareSumKernel,
  tanhKernel,
  topCandidatesKernel,
  unsortedSegmentSumKernel,
];
