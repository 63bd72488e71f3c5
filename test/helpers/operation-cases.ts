/** One call of every operation that may have a kernel, with what its results must agree with. */
import * as tf from "@tensorflow/tfjs";
import { RandomStream } from "../../src/core/random.ts";
import { adamUpdate } from "../../src/ops/adam.ts";
import { affineLstmCell } from "../../src/ops/affine-lstm-cell.ts";
import { affineQuant, affineQuantCodes } from "../../src/ops/affine-quant.ts";
import { attentionSoftmax } from "../../src/ops/attention-softmax.ts";
import { additiveScores } from "../../src/ops/additive-scores.ts";
import { cachedAttention, narrowCodes } from "../../src/ops/cached-attention.ts";
import { codeProduct, packCodes } from "../../src/ops/code-product.ts";
import { smoothedCrossEntropy } from "../../src/ops/cross-entropy.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { embeddingLookup, segmentSum } from "../../src/ops/embedding-lookup.ts";
import { fakeQuant, fakeQuantCodes, type FakeQuantSpec } from "../../src/ops/fake-quant.ts";
import { fusedProduct } from "../../src/ops/fused-product.ts";
import { globalNorm } from "../../src/ops/global-norm.ts";
import { joinHeads, splitHeads } from "../../src/ops/heads.ts";
import { sigmoid, tanh } from "../../src/ops/gate-activations.ts";
import { roundFloat16 } from "../../src/ops/round-float16.ts";
import type { KernelName } from "../../src/ops/kernel.ts";
import { layerNorm } from "../../src/ops/layer-norm.ts";
import { columnSum, linear } from "../../src/ops/linear.ts";
import { logSoftmax } from "../../src/ops/log-softmax.ts";
import { lstmCell } from "../../src/ops/lstm-cell.ts";
import { type LstmGrids, lstmSequence } from "../../src/ops/lstm-sequence.ts";
import { observeTensor } from "../../src/ops/observe.ts";
import { topCandidates } from "../../src/ops/top-candidates.ts";
import { normalTensor } from "./numeric.ts";

/** A call that runs the kernel it is named after, where there is one. */
export interface OperationCase {
  /**
   * `exact`: the same numbers on every backend. A number: |difference| ≤ bound·(1 + |value|), where
   * floats are summed in orders, or exponentials computed by formulas, that backends choose.
   */
  readonly agreement: "exact" | number;
  readonly run: () => tf.Tensor[];
}

/** Sums of at most 64 terms of size 1, after one exponential: 64·2^−24 and little more. */
const SHORT_SUM = 6e-6;
/** Sums of up to 1,000 terms of random sign. */
const LONG_SUM = 2e-5;

const SPEC: FakeQuantSpec = {
  ...({ kind: "weight", bits: 4, axis: 1, rounding: "half_even", compat: "none" } as const),
};

const AFFINE = { qmin: -8, qmax: 7, axis: 1 };
const affineGrid = (): Parameters<typeof affineQuant>[1] => ({
  scale: tf.tensor1d([0.1, 0.25, 0.3, 1, 0.7, 0.01]),
  zeroPoint: tf.tensor1d([-8, 7, 0, 3, -2, 1]),
});

const matrix = (rows: number, columns: number, seed: number): tf.Tensor2D =>
  normalTensor<tf.Rank.R2>([rows, columns], seed);
const vector = (size: number, seed: number): tf.Tensor1D => normalTensor<tf.Rank.R1>([size], seed);
const heads = (seed: number): tf.Tensor4D => normalTensor<tf.Rank.R4>([2, 3, 5, 7], seed);

/** Integers from `least` on, as float32. */
function codes(shape: number[], least: number, count: number, seed: number): tf.Tensor {
  const random = new RandomStream({ seed, stream: 0 });
  const size = shape.reduce((product, d) => product * d, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => least + random.integer(count)),
    shape,
  );
}

function ids(shape: number[], below: number, seed: number): tf.Tensor {
  return tf.cast(codes(shape, 0, below, seed), "int32");
}

/** Gradients of Σ w·f(inputs), with random weights w. */
function gradients(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): tf.Tensor[] {
  return tf.grads((...xs: tf.Tensor[]) => {
    const y = f(...xs);
    return tf.sum(tf.mul(y, normalTensor(y.shape, 99)));
  })(inputs);
}

const softmaxOf = (scores: tf.Tensor): tf.Tensor =>
  attentionSoftmax(scores as tf.Tensor4D, tf.tensor1d([4, 0], "int32"), true);
const lossOf = (logits: tf.Tensor): tf.Tensor =>
  smoothedCrossEntropy(logits as tf.Tensor2D, ids([9], 33, 2) as tf.Tensor1D, 0.1);
const normOf = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor): tf.Tensor =>
  layerNorm(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-6);

/** Values between two steps of their grids decide the same way everywhere only in float. */
const LSTM_FLOAT: LstmGrids = {
  ...({ bits: [0, 0, 0, 0, 0, 0], rounding: "half_even", compat: "none" } as const),
};
const sequence = (time: number, batch: number, width: number, seed: number): tf.Tensor3D =>
  normalTensor<tf.Rank.R3>([time, batch, width], seed);
const lstmOf = (...inputs: tf.Tensor[]): tf.Tensor => {
  const [gates, kernel, bias, hidden, cell] = inputs;
  const given = { gates, kernel, bias, hidden, cell, clips: tf.ones([6]) };
  const states = lstmSequence(given as Parameters<typeof lstmSequence>[0], LSTM_FLOAT, true);
  return tf.concat([states.hidden, states.cells!], 2);
};
const lstmInputs = (): tf.Tensor[] => [
  ...[sequence(6, 3, 20, 1), tf.mul(matrix(5, 20, 2), 0.5), vector(20, 3)],
  ...[matrix(3, 5, 4), matrix(3, 5, 5)],
];
const scoresOf = (...inputs: tf.Tensor[]): tf.Tensor => {
  const [queries, keys, bias, weights] = inputs;
  const given = { queries, keys, bias, weights, clip: null };
  return additiveScores(given as Parameters<typeof additiveScores>[0], { ...SPEC, kind: "act" });
};
const scoresInputs = (): tf.Tensor[] => [
  ...[sequence(2, 3, 9, 1), sequence(2, 4, 9, 2), vector(9, 3), vector(9, 4)],
];

/** By kernel. */
export const OPERATION_CASES: Readonly<Record<KernelName, OperationCase>> = {
  QatAdam: {
    agreement: "exact",
    run: () => {
      const [value, gradient, m] = [matrix(9, 13, 1), matrix(9, 13, 2), matrix(9, 13, 3)];
      const rates = { rate: tf.scalar(0.01), beta1: 0.9, beta2: 0.98, epsilon: 0.125 };
      const next = adamUpdate({ value, gradient, m, v: tf.square(m), ...rates });
      return [next.value, next.m, next.v];
    },
  },
  QatAdditiveScores: { agreement: SHORT_SUM, run: () => [scoresOf(...scoresInputs())] },
  QatAdditiveScoresGrad: { agreement: SHORT_SUM, run: () => gradients(scoresOf, scoresInputs()) },
  QatAffineLstmCell: {
    agreement: SHORT_SUM,
    run: () => {
      const grids = { scales: tf.ones<tf.Rank.R1>([6]), zeroPoints: tf.zeros<tf.Rank.R1>([6]) };
      const inputs = { sums: matrix(7, 36, 1), cell: matrix(7, 9, 2), ...grids };
      return Object.values(affineLstmCell(inputs, [null, null, null, null, null, null]));
    },
  },
  QatAffineQuant: {
    agreement: "exact",
    run: () => gradients((x) => affineQuant(x, affineGrid(), AFFINE), [matrix(9, 6, 1)]),
  },
  QatAffineQuantCodes: {
    agreement: "exact",
    run: () => [affineQuantCodes(matrix(9, 6, 1), affineGrid(), AFFINE)],
  },
  QatAttentionSoftmax: { agreement: SHORT_SUM, run: () => [softmaxOf(heads(1))] },
  QatAttentionSoftmaxGrad: {
    agreement: SHORT_SUM,
    run: () => gradients((s) => softmaxOf(s), [heads(1)]),
  },
  QatCachedAttention: { agreement: SHORT_SUM, run: () => [attendToMemory()] },
  QatCodeProduct: {
    agreement: "exact",
    run: () => [
      // Positive codes: sums that float32 does not hold.
      codeProduct(codes([5, 1100], 200, 56, 1), codes([7, 1100], 200, 56, 2), {
        ...{ transposeB: true, maxAbsA: 255, maxAbsB: 255, bias: vector(7, 3) },
        ...{ scaleA: tf.scalar(0.013), scaleB: tf.abs(vector(7, 4)) },
      }),
    ],
  },
  QatColumnSum: { agreement: LONG_SUM, run: () => [columnSum(matrix(33, 13, 1))] },
  QatCrossEntropy: { agreement: SHORT_SUM, run: () => [lossOf(matrix(9, 33, 1))] },
  QatCrossEntropyGrad: {
    agreement: SHORT_SUM,
    run: () => gradients((logits) => lossOf(logits), [matrix(9, 33, 1)]),
  },
  QatDropout: {
    agreement: "exact",
    run: () => [dropout(matrix(33, 31, 1), 0.3, tf.scalar(-5, "int32"))],
  },
  QatEmbeddingLookup: {
    agreement: "exact",
    run: () => [embeddingLookup(matrix(11, 5, 1), ids([3, 4], 11, 2))],
  },
  QatFakeQuant: {
    agreement: "exact",
    run: () => [fakeQuant(matrix(33, 7, 1), tf.abs(vector(7, 2)), SPEC)],
  },
  QatFakeQuantCodes: {
    agreement: "exact",
    run: () => [fakeQuantCodes(matrix(33, 7, 1), tf.abs(vector(7, 2)), SPEC)],
  },
  QatFakeQuantGrad: {
    agreement: LONG_SUM,
    run: () => gradients((x, c) => fakeQuant(x, c, SPEC), [matrix(33, 7, 1), tf.abs(vector(7, 2))]),
  },
  QatFusedProduct: {
    agreement: LONG_SUM,
    run: () => [fusedProduct(matrix(5, 21, 1), matrix(21, 7, 2))],
  },
  QatJoinHeads: {
    agreement: "exact",
    run: () => [
      joinHeads(heads(1)),
      // Of several parts: the gradient of their split.
      ...gradients(
        (x) => tf.stack(splitHeads(x as tf.Tensor3D, 3, 2)),
        [normalTensor([2, 5, 24], 1)],
      ),
    ],
  },
  QatLayerNorm: {
    agreement: SHORT_SUM,
    run: () => [normOf(matrix(9, 33, 1), vector(33, 2), vector(33, 3))],
  },
  QatLayerNormGrad: {
    agreement: LONG_SUM,
    run: () => gradients(normOf, [matrix(9, 33, 1), vector(33, 2), vector(33, 3)]),
  },
  QatLinear: {
    agreement: LONG_SUM,
    run: () => [linear(matrix(5, 21, 1), matrix(7, 21, 2), vector(7, 3), true)],
  },
  QatLogSoftmax: { agreement: SHORT_SUM, run: () => [logSoftmax(matrix(9, 33, 1))] },
  QatLstmCell: {
    agreement: SHORT_SUM,
    run: () =>
      Object.values(
        lstmCell(
          { sums: matrix(7, 36, 1), cell: matrix(7, 9, 2), clips: tf.ones([6]) },
          LSTM_FLOAT,
        ),
      ),
  },
  QatLstmSequence: { agreement: SHORT_SUM, run: () => [lstmOf(...lstmInputs())] },
  QatLstmSequenceGrad: { agreement: LONG_SUM, run: () => gradients(lstmOf, lstmInputs()) },
  QatNarrowCodes: { agreement: SHORT_SUM, run: () => [attendToMemory()] },
  QatObserve: {
    // Of a thousand squares.
    agreement: 1e-3,
    run: () => {
      const mask = tf.tensor1d([1, 0, 1, 0, 0, 0]);
      const all = observeTensor(matrix(33, 31, 1), { samples: 11, mask: null }, 64);
      const some = observeTensor(matrix(24, 31, 2), { samples: 2, mask }, 64);
      // Sums alone: how one is cut in two parts depends on its last bits.
      return [all, some].flatMap(({ counts, ranges }) => [
        counts,
        tf.sum(tf.reshape(ranges, [5, 2]), 1),
      ]);
    },
  },
  QatPackCodes: {
    agreement: "exact",
    run: () => {
      const b = codes([33, 5], -128, 256, 2) as tf.Tensor2D;
      const packedB = packCodes(b, { maxAbsB: 128 });
      const scales = { scaleA: tf.scalar(0.5), scaleB: tf.scalar(0.25) };
      const bounds = { maxAbsA: 128, maxAbsB: 128 };
      const wide = codes([33, 5], -255, 511, 2) as tf.Tensor2D;
      const wideBounds = { maxAbsA: 128, maxAbsB: 255 };
      const a = codes([4, 33], -128, 256, 1);
      return [
        codeProduct(a, b, { ...bounds, ...scales, packedB }),
        codeProduct(a, wide, {
          ...{ ...wideBounds, ...scales, packedB: packCodes(wide, { maxAbsB: 255 }) },
        }),
      ];
    },
  },
  QatRoundFloat16: { agreement: "exact", run: () => [roundFloat16(matrix(7, 33, 1))] },
  QatSegmentSum: {
    agreement: LONG_SUM,
    run: () => [segmentSum(matrix(33, 5, 1), ids([33], 6, 2) as tf.Tensor1D, 7)],
  },
  QatSigmoid: { agreement: SHORT_SUM, run: () => [sigmoid(matrix(7, 33, 1))] },
  QatSplitHeads: {
    agreement: "exact",
    run: () => [
      ...splitHeads(normalTensor<tf.Rank.R3>([2, 5, 24], 1), 3, 2),
      ...splitHeads(normalTensor<tf.Rank.R3>([2, 5, 24], 2), 1, 4),
    ],
  },
  QatSquareSum: { agreement: LONG_SUM, run: () => [globalNorm([matrix(9, 33, 1), vector(7, 2)])] },
  QatTanh: { agreement: SHORT_SUM, run: () => [tanh(matrix(7, 33, 1))] },
  QatTopCandidates: {
    agreement: SHORT_SUM,
    // Few levels: most scores are ties.
    run: () => {
      const scoring = { accumulated: Float32Array.of(-1, -2, -3), factor: 0.75 };
      return topCandidates(
        codes([3, 29], 0, 4, 1) as tf.Tensor2D,
        { ...scoring, maskedA: 5, maskedB: 0 },
        6,
      );
    },
  },
};

/** Queries of three rows over a memory of two sentences, both in codes. */
function attendToMemory(): tf.Tensor {
  const narrow = narrowCodes(codes([10, 24], -128, 256, 1) as tf.Tensor2D, 24);
  const kept = {
    memory: tf.reshape<tf.Rank.R3>(narrow, [2, 5, narrow.shape[1]]),
    sentences: tf.tensor1d([1, 0, 1], "int32"),
    lengths: tf.tensor1d([5, 3], "int32"),
  };
  return cachedAttention(codes([3, 12], -128, 256, 2) as tf.Tensor2D, kept, {
    ...{ heads: 3, units: 12, column: 0, softmax: null },
    scales: { queries: tf.scalar(0.03), cells: tf.scalar(0.02) },
  });
}
