/** Calls that the kernel benchmark times, at the sizes of the reference model's training step. */
import * as tf from "@tensorflow/tfjs";
import { adamUpdate } from "../src/ops/adam.ts";
import { attentionSoftmax } from "../src/ops/attention-softmax.ts";
import { codeProduct } from "../src/ops/code-product.ts";
import { smoothedCrossEntropy } from "../src/ops/cross-entropy.ts";
import { dropout } from "../src/ops/dropout.ts";
import { embeddingLookup, segmentSum } from "../src/ops/embedding-lookup.ts";
import { fakeQuant, fakeQuantCodes, type FakeQuantSpec } from "../src/ops/fake-quant.ts";
import { fusedProduct } from "../src/ops/fused-product.ts";
import { globalNorm } from "../src/ops/global-norm.ts";
import { layerNorm } from "../src/ops/layer-norm.ts";
import { columnSum } from "../src/ops/linear.ts";
import { logSoftmax } from "../src/ops/log-softmax.ts";

/** One call. Its tensors are made once. */
export interface KernelCase {
  readonly name: string;
  /** Shape that the name's operation works on. */
  readonly shape: readonly number[];
  /** Multiplications and additions of a product; null for the rest. */
  readonly operations: number | null;
  readonly run: () => void;
}

const ROWS = 1024;
const WIDTH = 128;
const FILTER = 512;
const VOCABULARY = 4000;
const SCORES = [32, 4, 32, 32] as const;

const SPEC: FakeQuantSpec = {
  kind: "act",
  bits: 8,
  axis: null,
  rounding: "half_even",
  compat: "none",
};

let seed = 0;

function random(shape: readonly number[]): tf.Tensor {
  return tf.keep(tf.randomNormal([...shape], 0, 1, "float32", ++seed));
}

function ids(count: number): tf.Tensor1D {
  return tf.keep(tf.randomUniform([count], 0, VOCABULARY, "int32", ++seed));
}

function caseOf(name: string, shape: readonly number[], run: () => void): KernelCase {
  return { name, shape, operations: null, run };
}

/** The gradient of Σ f(inputs) by every input: forward and backward. */
function withBackward(
  name: string,
  inputs: tf.Tensor[],
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
): KernelCase {
  const dy = tf.tidy(() => tf.keep(tf.onesLike(f(...inputs))));
  const gradients = tf.grads(f);
  return caseOf(`${name}, forward and backward`, inputs[0]!.shape, () => {
    gradients(inputs, dy);
  });
}

/** Kernels for activations. */
export function activationCases(): KernelCase[] {
  const x = random([ROWS, FILTER]);
  const clip = tf.keep(tf.scalar(2));
  const narrow = random([ROWS, WIDTH]);
  const gamma = random([WIDTH]) as tf.Tensor1D;
  const beta = random([WIDTH]) as tf.Tensor1D;
  const scores = random(SCORES) as tf.Tensor4D;
  const lengths = tf.keep(tf.tensor1d(new Int32Array(SCORES[0]).fill(30), "int32"));
  const dropSeed = tf.keep(tf.scalar(5, "int32"));
  const norm = (h: tf.Tensor, g: tf.Tensor, b: tf.Tensor): tf.Tensor =>
    layerNorm(h, g as tf.Tensor1D, b as tf.Tensor1D, 1e-6);
  const softmax = (s: tf.Tensor): tf.Tensor => attentionSoftmax(s as tf.Tensor4D, lengths, true);
  return [
    caseOf("fakeQuant", x.shape, () => fakeQuant(x, clip, SPEC)),
    withBackward("fakeQuant", [x, clip], (a, c) => fakeQuant(a, c, SPEC)),
    caseOf("fakeQuantCodes", x.shape, () => fakeQuantCodes(x, clip, SPEC)),
    caseOf("layerNorm", narrow.shape, () => norm(narrow, gamma, beta)),
    withBackward("layerNorm", [narrow, gamma, beta], (h, g, b) => norm(h, g, b)),
    caseOf("attentionSoftmax", SCORES, () => softmax(scores)),
    withBackward("attentionSoftmax", [scores], (s) => softmax(s)),
    caseOf("dropout", x.shape, () => dropout(x, 0.1, dropSeed)),
    caseOf("columnSum", x.shape, () => columnSum(x as tf.Tensor2D)),
  ];
}

/** Kernels of the two ends of the model, and of the optimizer. */
export function endCases(): KernelCase[] {
  const table = random([VOCABULARY, WIDTH]) as tf.Tensor2D;
  const vectors = random([ROWS, WIDTH]) as tf.Tensor2D;
  const tokens = ids(ROWS);
  const logits = random([ROWS, VOCABULARY]) as tf.Tensor2D;
  const few = random([WIDTH, VOCABULARY]) as tf.Tensor2D;
  const [gradient, m] = [random(table.shape), random(table.shape)];
  const v = tf.tidy(() => tf.keep(tf.abs(m)));
  const rate = tf.keep(tf.scalar(1e-4));
  const rates = { rate, beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
  const loss = (l: tf.Tensor): tf.Tensor => smoothedCrossEntropy(l as tf.Tensor2D, tokens, 0.1);
  return [
    caseOf("embeddingLookup", table.shape, () => embeddingLookup(table, tokens)),
    caseOf("segmentSum", table.shape, () => segmentSum(vectors, tokens, VOCABULARY)),
    caseOf("smoothedCrossEntropy", logits.shape, () => loss(logits)),
    withBackward("smoothedCrossEntropy", [logits], (l) => loss(l)),
    caseOf("logSoftmax", few.shape, () => logSoftmax(few)),
    caseOf("adamUpdate", table.shape, () => adamUpdate({ value: table, gradient, m, v, ...rates })),
    caseOf("globalNorm", table.shape, () => globalNorm([table])),
  ];
}

/** Matrix products, plain and of codes. */
export function productCases(): KernelCase[] {
  const plain = [
    [ROWS, WIDTH, FILTER],
    [ROWS, FILTER, WIDTH],
    [ROWS, WIDTH, VOCABULARY],
  ].flatMap(([m, k, n]) =>
    (["NN", "NT", "TN"] as const).map((layout) => productCase([], layout, [m!, k!, n!])),
  );
  const attention = (["NN", "NT", "TN"] as const).map((layout) =>
    productCase([SCORES[0], SCORES[1]], layout, [32, 32, 32]),
  );
  return [...plain, ...attention, fusedCase(), codeCase()];
}

type Sizes = readonly [m: number, k: number, n: number];

function productCase(
  batch: readonly number[],
  layout: "NN" | "NT" | "TN",
  [m, k, n]: Sizes,
): KernelCase {
  const transposeA = layout === "TN";
  const transposeB = layout === "NT";
  const a = random([...batch, ...(transposeA ? [k, m] : [m, k])]);
  const b = random([...batch, ...(transposeB ? [n, k] : [k, n])]);
  return {
    name: `matMul ${layout} ${productText(batch, [m, k, n])}`,
    shape: [...batch, m, n],
    operations: operationsOf(batch, [m, k, n]),
    run: () => tf.matMul(a, b, transposeA, transposeB),
  };
}

function fusedCase(): KernelCase {
  const [a, b] = [random(SCORES), random(SCORES)];
  return {
    name: `fusedProduct ${productText(SCORES.slice(0, 2), [32, 32, 32])}`,
    shape: SCORES,
    operations: operationsOf(SCORES.slice(0, 2), [32, 32, 32]),
    run: () => fusedProduct(a, b),
  };
}

function codeCase(): KernelCase {
  const sizes: Sizes = [ROWS, WIDTH, FILTER];
  const codes = (shape: number[]): tf.Tensor =>
    tf.tidy(() => tf.keep(tf.round(tf.randomUniform(shape, -127, 127, "float32", ++seed))));
  const a = codes([ROWS, WIDTH]);
  const b = codes([WIDTH, FILTER]);
  const scale = tf.keep(tf.scalar(0.01));
  const options = { maxAbsA: 128, maxAbsB: 128, scaleA: scale, scaleB: scale };
  return {
    name: `codeProduct ${productText([], sizes)}`,
    shape: [ROWS, FILTER],
    operations: operationsOf([], sizes),
    run: () => codeProduct(a, b, options),
  };
}

function productText(batch: readonly number[], sizes: Sizes): string {
  const count = batch.reduce((product, size) => product * size, 1);
  return `${batch.length === 0 ? "" : `${count} × `}${sizes.join("×")}`;
}

function operationsOf(batch: readonly number[], sizes: Sizes): number {
  return [...batch, ...sizes].reduce((product, size) => product * size, 2);
}
