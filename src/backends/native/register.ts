/** Registration of our kernels for TensorFlow.js' backend "tensorflow". */
import * as tf from "@tensorflow/tfjs";
import type { KernelAttributes } from "../../ops/kernel.ts";
import type { NativeBackend } from "./binding.ts";
import { affineQuantCodesKernel, affineQuantKernel } from "./kernels/affine-quant.ts";
import { codeProductKernel } from "./kernels/code-product.ts";
import { crossEntropyGradKernel, crossEntropyKernel } from "./kernels/cross-entropy.ts";
import { dropoutKernel } from "./kernels/dropout.ts";
import { embeddingLookupKernel, segmentSumKernel } from "./kernels/embedding.ts";
import {
  fakeQuantCodesKernel,
  fakeQuantGradKernel,
  fakeQuantKernel,
} from "./kernels/fake-quant.ts";
import { roundFloat16Kernel } from "./kernels/float16.ts";
import { joinHeadsKernel, splitHeadsKernel } from "./kernels/heads.ts";
import { additiveScoresGradKernel, additiveScoresKernel } from "./kernels/additive-scores.ts";
import { lstmSequenceGradKernel } from "./kernels/lstm-gradient.ts";
import { lstmCellKernel, lstmSequenceKernel } from "./kernels/lstm-sequence.ts";
import { layerNormGradKernel, layerNormKernel } from "./kernels/layer-norm.ts";
import { columnSumKernel, fusedProductKernel, linearKernel } from "./kernels/linear.ts";
import { observeKernel } from "./kernels/observers.ts";
import { adamKernel, squareSumKernel } from "./kernels/optimizer.ts";
import {
  attentionSoftmaxGradKernel,
  attentionSoftmaxKernel,
  logSoftmaxKernel,
} from "./kernels/softmax.ts";
import { topCandidatesKernel } from "./kernels/top-candidates.ts";
import { callNativeKernel, type NativeKernel } from "./native-kernel.ts";
import { improveStockKernels } from "./stock-kernels.ts";

const BACKEND = "tensorflow";

/** Our operations whose composition of TensorFlow.js' operations is not as good. */
const NATIVE_KERNELS: readonly NativeKernel[] = [
  adamKernel,
  additiveScoresKernel,
  additiveScoresGradKernel,
  affineQuantKernel,
  affineQuantCodesKernel,
  attentionSoftmaxKernel,
  attentionSoftmaxGradKernel,
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
  observeKernel,
  roundFloat16Kernel,
  segmentSumKernel,
  splitHeadsKernel,
  squareSumKernel,
  topCandidatesKernel,
];

/**
 * Registers our kernels for the backend "tensorflow", and replaces some of the package's own.
 * Idempotent. Call it after the package has been loaded.
 */
export function registerNativeKernels(): void {
  const registered = new Set(tf.getKernelsForBackend(BACKEND).map(({ kernelName }) => kernelName));
  if (NATIVE_KERNELS.every(({ name }) => registered.has(name))) return;
  for (const { name, run } of NATIVE_KERNELS) {
    if (registered.has(name)) continue;
    tf.registerKernel({
      kernelName: name,
      backendName: BACKEND,
      kernelFunc: ({ inputs, backend, attrs }) =>
        callNativeKernel(
          run,
          backend as NativeBackend,
          inputs,
          (attrs ?? {}) as unknown as KernelAttributes,
        ),
    });
  }
  improveStockKernels(BACKEND);
}
