/**
 * The same Transformer as a TensorFlow.js user would write it with TensorFlow.js alone: its own
 * wasm backend, products of rank 2 where there is a weight, additive masks, its own optimizer. Only
 * the kernel that the backend lacks for training, the segment sum of the embedding's gradient, is
 * added. It imports nothing of ours that computes with tensors.
 */
import * as tf from "@tensorflow/tfjs";
import { sinusoidTable } from "../src/core/position.ts";
import type { TransformerSize, PlainBatch } from "./workloads.ts";

const EPSILON = 1e-6;
const MASKED = -1e9;
const ROOT = "SequenceToSequence";
const TABLE = `${ROOT}/shared_symbol_modality_posenc_wrapper/shared_symbol_modality/shared`;
const STACKS = { encoder: `${ROOT}/TransformerEncoder`, decoder: `${ROOT}/TransformerDecoder` };

/** Registers the one kernel that the wasm backend lacks here, as a loop over its memory. */
export function registerSegmentSum(): void {
  tf.registerKernel({
    kernelName: "UnsortedSegmentSum",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { x, segmentIds } = inputs as Record<"x" | "segmentIds", tf.TensorInfo>;
      const wasm = backend as unknown as WasmHeap;
      const { numSegments } = attrs as unknown as { numSegments: number };
      const out = wasm.makeOutput([numSegments, ...x.shape.slice(1)], "float32");
      const values = wasm.typedArrayFromHeap(x);
      const ids = wasm.typedArrayFromHeap(segmentIds);
      const sums = wasm.typedArrayFromHeap(out).fill(0);
      const width = values.length / ids.length;
      for (let i = 0; i < ids.length; i++) {
        const to = ids[i]! * width;
        for (let j = 0; j < width; j++) sums[to + j]! += values[i * width + j]!;
      }
      return out;
    },
  });
}

interface WasmHeap {
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array;
}

/** Values of the variables to start with, by name. */
export type StockWeights = ReadonlyMap<string, { data: Float32Array; shape: readonly number[] }>;

/** A pre-norm Transformer. Its variables carry NeurST's names, so that weights can be copied. */
export class StockTransformer {
  readonly variables = new Map<string, tf.Variable>();
  readonly #size: TransformerSize;
  readonly #weights: StockWeights | null;

  /** @param weights values to start with; random ones if null */
  constructor(size: TransformerSize, weights: StockWeights | null = null) {
    this.#size = size;
    this.#weights = weights;
    const { width, filter, vocabulary } = size;
    this.#add(`${TABLE}/weights`, [vocabulary, width], width ** -0.5);
    this.#add(`${TABLE}/bias`, [vocabulary], 0);
    for (const stack of ["encoder", "decoder"] as const) {
      const layers = stack === "encoder" ? size.encoderLayers : size.decoderLayers;
      for (let i = 0; i < layers; i++) {
        const self = sublayer(stack, i, "self_attention");
        this.#addDense(`${self.inner}/qkv_transform`, width, 3 * width);
        this.#addDense(`${self.inner}/output_transform`, width, width);
        this.#addNorm(`${self.outer}/ln`);
        if (stack === "decoder") this.#addCrossAttention(i);
        const ffn = sublayer(stack, i, "ffn");
        this.#addDense(`${ffn.inner}/dense1`, width, filter);
        this.#addDense(`${ffn.inner}/dense2`, filter, width);
        this.#addNorm(`${ffn.outer}/ln`);
      }
      this.#addNorm(`${STACKS[stack]}/output_ln`);
    }
  }

  /** Mean label-smoothed cross-entropy of the target tokens; dropout only in training. */
  loss(batch: PlainBatch, smoothing: number, training: boolean): tf.Scalar {
    const { size, sourceTime, targetTime } = batch;
    const source = tf.tensor2d(batch.source, [size, sourceTime], "int32");
    const targetInput = tf.tensor2d(batch.targetInput, [size, targetTime], "int32");
    const sourceMask = tf.tensor(paddingMask(batch), [size, 1, 1, sourceTime]);
    const causal = tf.tensor(causalMask(targetTime), [1, 1, targetTime, targetTime]);
    const drop = this.#dropout(training);
    const memory = this.#encode(source, sourceMask, drop);
    const logits = this.#decode(targetInput, memory, { sourceMask, causal }, drop);
    return smoothedLoss(logits, batch, smoothing);
  }

  #encode(source: tf.Tensor2D, mask: tf.Tensor, drop: Dropout): tf.Tensor {
    let x = drop(this.#embed(source));
    for (let i = 0; i < this.#size.encoderLayers; i++) {
      const self = sublayer("encoder", i, "self_attention");
      x = this.#residual(x, self.outer, drop, (y) => this.#attendToSelf(y, self.inner, mask, drop));
      x = this.#feedForward(x, "encoder", i, drop);
    }
    return this.#normalize(x, `${STACKS.encoder}/output_ln`);
  }

  #decode(
    ids: tf.Tensor2D,
    memory: tf.Tensor,
    masks: { sourceMask: tf.Tensor; causal: tf.Tensor },
    drop: Dropout,
  ): tf.Tensor2D {
    let x = drop(this.#embed(ids));
    for (let i = 0; i < this.#size.decoderLayers; i++) {
      const self = sublayer("decoder", i, "self_attention");
      const cross = sublayer("decoder", i, "encdec_attention");
      x = this.#residual(x, self.outer, drop, (y) =>
        this.#attendToSelf(y, self.inner, masks.causal, drop),
      );
      x = this.#residual(x, cross.outer, drop, (y) => {
        const [queries] = this.#heads(y, `${cross.inner}/q_transform`, 1);
        const [keys, values] = this.#heads(memory, `${cross.inner}/kv_transform`, 2);
        const heads = [queries!, keys!, values!] as const;
        return this.#attend(heads, cross.inner, masks.sourceMask, drop);
      });
      x = this.#feedForward(x, "decoder", i, drop);
    }
    const rows = asRows(this.#normalize(x, `${STACKS.decoder}/output_ln`));
    const table = this.#read(`${TABLE}/weights`);
    return tf.add(tf.matMul(rows, table, false, true), this.#read(`${TABLE}/bias`));
  }

  #embed(ids: tf.Tensor2D): tf.Tensor {
    const { width } = this.#size;
    const [, time] = ids.shape;
    const vectors = tf.gather(this.#read(`${TABLE}/weights`), ids);
    const positions = tf.tensor2d(sinusoidTable(time, width), [time, width]);
    return tf.add(tf.mul(vectors, Math.sqrt(width)), positions);
  }

  #attendToSelf(x: tf.Tensor, name: string, mask: tf.Tensor, drop: Dropout): tf.Tensor {
    const [queries, keys, values] = this.#heads(x, `${name}/qkv_transform`, 3);
    return this.#attend([queries!, keys!, values!], name, mask, drop);
  }

  /** [batch, time, width] → `parts` tensors [batch, heads, time, depth]. */
  #heads(x: tf.Tensor, name: string, parts: number): tf.Tensor[] {
    const [batch, time] = x.shape as [number, number];
    const { heads, width } = this.#size;
    const y = tf.reshape(this.#dense(x, name), [batch, time, parts * heads, width / heads]);
    const headMajor = tf.transpose(y, [0, 2, 1, 3]);
    return parts === 1 ? [headMajor] : tf.split(headMajor, parts, 1);
  }

  #attend(
    [queries, keys, values]: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
    name: string,
    mask: tf.Tensor,
    drop: Dropout,
  ): tf.Tensor {
    const [batch, , time, depth] = queries.shape as [number, number, number, number];
    const scores = tf.mul(tf.matMul(queries, keys, false, true), depth ** -0.5);
    const probabilities = drop(tf.softmax(tf.add(scores, mask)));
    const context = tf.transpose(tf.matMul(probabilities, values), [0, 2, 1, 3]);
    const joined = tf.reshape(context, [batch, time, this.#size.width]);
    return this.#dense(joined, `${name}/output_transform`);
  }

  #feedForward(x: tf.Tensor, stack: "encoder" | "decoder", i: number, drop: Dropout): tf.Tensor {
    const { outer, inner } = sublayer(stack, i, "ffn");
    return this.#residual(x, outer, drop, (y) =>
      this.#dense(drop(tf.relu(this.#dense(y, `${inner}/dense1`))), `${inner}/dense2`),
    );
  }

  #residual(
    x: tf.Tensor,
    name: string,
    drop: Dropout,
    inner: (y: tf.Tensor) => tf.Tensor,
  ): tf.Tensor {
    return tf.add(x, drop(inner(this.#normalize(x, `${name}/ln`))));
  }

  /** In two dimensions: products of rank 3 do not reach the backend's fast path. */
  #dense(x: tf.Tensor, name: string): tf.Tensor {
    const kernel = this.#read(`${name}/kernel`);
    const y = tf.add(tf.matMul(asRows(x), kernel), this.#read(`${name}/bias`));
    return tf.reshape(y, [...x.shape.slice(0, -1), kernel.shape[1]!]);
  }

  #normalize(x: tf.Tensor, name: string): tf.Tensor {
    const { mean, variance } = tf.moments(x, -1, true);
    const normalized = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, EPSILON)));
    return tf.add(tf.mul(normalized, this.#read(`${name}/gamma`)), this.#read(`${name}/beta`));
  }

  #dropout(training: boolean): Dropout {
    const { dropout } = this.#size;
    return (x) => (training && dropout > 0 ? tf.dropout(x, dropout) : x);
  }

  #read(name: string): tf.Tensor {
    return this.variables.get(name)!;
  }

  #addCrossAttention(i: number): void {
    const { width } = this.#size;
    const { outer, inner } = sublayer("decoder", i, "encdec_attention");
    this.#addDense(`${inner}/q_transform`, width, width);
    this.#addDense(`${inner}/kv_transform`, width, 2 * width);
    this.#addDense(`${inner}/output_transform`, width, width);
    this.#addNorm(`${outer}/ln`);
  }

  #addDense(name: string, inputs: number, outputs: number): void {
    this.#add(`${name}/kernel`, [inputs, outputs], Math.sqrt(2 / (inputs + outputs)));
    this.#add(`${name}/bias`, [outputs], 0);
  }

  #addNorm(name: string): void {
    this.#add(`${name}/gamma`, [this.#size.width], 0, 1);
    this.#add(`${name}/beta`, [this.#size.width], 0);
  }

  #add(name: string, shape: number[], deviation: number, mean = 0): void {
    const given = this.#weights?.get(name);
    const variable = tf.tidy(() =>
      tf.variable(
        given === undefined
          ? tf.randomNormal(shape, mean, deviation, "float32", this.variables.size + 1)
          : tf.tensor(given.data, [...given.shape]),
      ),
    );
    this.variables.set(name, variable);
  }
}

type Dropout = (x: tf.Tensor) => tf.Tensor;

function sublayer(stack: "encoder" | "decoder", i: number, name: string) {
  const outer = `${STACKS[stack]}/layer_${i}/${name}_prepost_wrapper`;
  return { outer, inner: `${outer}/${name}` };
}

function asRows(x: tf.Tensor): tf.Tensor2D {
  const width = x.shape.at(-1)!;
  return tf.reshape(x, [x.size / width, width]);
}

function paddingMask({ size, sourceTime, sourceLengths }: PlainBatch): Float32Array {
  return Float32Array.from({ length: size * sourceTime }, (_, i) =>
    i % sourceTime < sourceLengths[Math.floor(i / sourceTime)]! ? 0 : MASKED,
  );
}

function causalMask(time: number): Float32Array {
  return Float32Array.from({ length: time * time }, (_, i) =>
    i % time <= Math.floor(i / time) ? 0 : MASKED,
  );
}

/** 1 − ε at the target, ε/(V−1) elsewhere, less the value of a perfect prediction. */
function smoothedLoss(logits: tf.Tensor2D, batch: PlainBatch, smoothing: number): tf.Scalar {
  const [rows, classes] = logits.shape;
  const { targetTime, targetLengths } = batch;
  const rest = smoothing / (classes - 1);
  const isTarget = tf.cast(tf.oneHot(tf.tensor1d(batch.target, "int32"), classes), "float32");
  const expected = tf.add(tf.mul(isTarget, 1 - smoothing - rest), rest);
  const losses = tf.neg(tf.sum(tf.mul(expected, tf.logSoftmax(logits)), -1));
  const isToken = Float32Array.from({ length: rows }, (_, i) =>
    i % targetTime < targetLengths[Math.floor(i / targetTime)]! ? 1 : 0,
  );
  const tokens = isToken.reduce((count, value) => count + value, 0);
  const perfect = (1 - smoothing) * Math.log(1 - smoothing) + smoothing * Math.log(rest);
  return tf.add(tf.div(tf.sum<tf.Scalar>(tf.mul(losses, tf.tensor1d(isToken))), tokens), perfect);
}
