/** NeurST's Transformer: an encoder-decoder model with attention, and its step-by-step decoding. */
import * as tf from "@tensorflow/tfjs";
import { asRows } from "../layers/input-tensors.ts";
import type { QuantDense } from "../layers/dense.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import type { DecoderCache, TransformerDecoder } from "../layers/transformer-decoder.ts";
import { atPositions, batchMajor, flatRows } from "../layers/positions.ts";
import type { TransformerEncoder } from "../layers/transformer-encoder.ts";
import { BLOCK_STEPS } from "../ops/cell-blocks.ts";
import type { QuantConfig } from "../quant/config.ts";
import type { Pass } from "../quant/pass.ts";
import { QuantPolicy } from "../quant/policy.ts";
import type { BlockStep, StepsInBlocks } from "./block-step.ts";
import { builtVariables } from "./built-variables.ts";
import { disposeTensors, keepAll } from "./kept-tensors.ts";
import { shortPath } from "./layer-paths.ts";
import type { DecodeState, ModelArgs, Seq2SeqModel } from "./model.ts";
import { firstRows, gatherRows, rowsAfterStep, type StateRows } from "./state-rows.ts";
import { parseTransformerParams, type TransformerParams } from "./transformer-params.ts";
import { embed, makeParts, type Modality } from "./transformer-parts.ts";

/** The Transformer. Its variables carry NeurST's names. */
export class Transformer implements Seq2SeqModel {
  readonly className = "Transformer";
  readonly params: TransformerParams;
  readonly sourceVocabSize: number;
  readonly targetVocabSize: number;
  readonly quantConfig: QuantConfig | null;
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #source: Modality;
  readonly #target: Modality;
  readonly #encoder: TransformerEncoder;
  readonly #decoder: TransformerDecoder;
  readonly #softmax: QuantDense | null;
  readonly #topLayers: readonly QuantLayer[];
  readonly inBlocks: StepsInBlocks;

  /** @throws {ConfigError} for parameters or overrides that do not fit */
  constructor(args: ModelArgs) {
    const params = parseTransformerParams(args.params);
    const policy = new QuantPolicy(args.quantConfig, shortPath);
    this.params = params;
    this.sourceVocabSize = args.sourceVocabSize;
    this.targetVocabSize = args.targetVocabSize;
    this.quantConfig = args.quantConfig;
    const parts = makeParts(params, args, policy);
    this.#source = parts.source;
    this.#target = parts.target;
    this.#encoder = parts.encoder;
    this.#decoder = parts.decoder;
    this.#softmax = parts.softmax;
    const { source, target, encoder, decoder, softmax } = parts;
    const modalities = [target.embedding, target.positions, source.embedding, source.positions];
    this.#topLayers = [...new Set([...modalities, encoder, decoder, softmax])].filter(
      (layer) => layer !== null,
    );
    const positions = target.positions;
    this.inBlocks = {
      layers: params["decoder.num_layers"],
      cellWidth: 2 * params["decoder.hidden_size"],
      mostSteps: positions?.isTable === true ? positions.maxPositions : Infinity,
      step: (step, pass) => this.#stepInBlocks(step, pass),
    };
    this.variables = builtVariables(this, policy);
  }

  layers(): readonly QuantLayer[] {
    return this.#topLayers.flatMap((layer) => layer.allLayers());
  }

  logits(
    source: tf.Tensor2D,
    sourceLengths: tf.Tensor1D,
    targetInput: tf.Tensor2D,
    pass: Pass,
  ): tf.Tensor2D {
    const memory = this.#encode(source, sourceLengths, pass);
    const time = targetInput.shape[1];
    const targetPass = atPositions(pass, () => batchMajor(pass.targetLengths ?? null, time));
    const x = embed(this.#target, targetInput, 0, targetPass);
    const output = this.#decoder.decode(x, memory, sourceLengths, pass);
    return this.#project(output, targetPass);
  }

  startState(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): DecodeState {
    const tensors = tf.tidy(() => {
      const memory = this.#encode(source, sourceLengths, pass);
      return {
        lengths: [tf.clone(sourceLengths)],
        memory: this.#decoder.keepMemory(memory, sourceLengths, pass),
      };
    });
    keepAll(Object.values(tensors).flat());
    return { tensors, rows: firstRows(source.shape[0]) };
  }

  step(
    ids: tf.Tensor1D,
    state: DecodeState,
    pass: Pass,
  ): { logits: tf.Tensor2D; state: DecodeState } {
    const rows = rowsAfterStep(state.rows);
    try {
      const { logits, left } = tf.tidy(() => {
        const token = tf.expandDims<tf.Tensor2D>(ids, 1);
        const x = embed(this.#target, token, state.rows.time, pass);
        const step = this.#decoder.decodeStep(x, this.#cacheOf(state, rows), pass);
        return { logits: this.#project(step.output, pass), left: step.left };
      });
      keepAll(left);
      const tensors: Record<string, readonly tf.Tensor[]> = { ...state.tensors };
      left.forEach((own, i) => (tensors[`past_${i}`] = [...(tensors[`past_${i}`] ?? []), own]));
      return { logits, state: { tensors, rows } };
    } catch (error) {
      this.disposeState(state);
      throw error;
    }
  }

  #stepInBlocks(step: BlockStep, pass: Pass): ReturnType<StepsInBlocks["step"]> {
    const token = tf.expandDims<tf.Tensor2D>(step.ids, 1);
    const limit = BLOCK_STEPS * step.blocks[0]!.length;
    const x = embed(this.#target, token, { at: step.position, limit }, pass);
    const { output, left } = this.#decoder.decodeInBlocks(x, step, pass);
    return { logits: this.#project(output, pass), left };
  }

  gatherState(state: DecodeState, rows: Int32Array): DecodeState {
    return { ...state, rows: gatherRows(state.rows, rows) };
  }

  disposeState(state: DecodeState): void {
    disposeTensors(state);
  }

  dispose(): void {
    for (const layer of this.#topLayers) layer.dispose();
  }

  #encode(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): tf.Tensor {
    const sourcePass = atPositions(pass, () => batchMajor(sourceLengths, source.shape[1]));
    const x = embed(this.#source, source, 0, sourcePass);
    return this.#encoder.encode(x, sourceLengths, pass);
  }

  /** @param x [..., hiddenSize], the decoder's result @returns [rows, targetVocab] */
  #project(x: tf.Tensor, outerPass: Pass): tf.Tensor2D {
    const { positions } = outerPass;
    const isBatch = positions != null;
    const pass = isBatch ? { ...outerPass, positions: flatRows(positions) } : outerPass;
    const rows = asRows(x, pass);
    if (this.#softmax !== null) return this.#softmax.transform(rows, pass) as tf.Tensor2D;
    return this.#target.embedding.logits(rows, pass);
  }

  /** @param rows after the step that the cache is for */
  #cacheOf({ tensors }: DecodeState, { sentences, ancestors, time }: StateRows): DecoderCache {
    const layers = Array.from({ length: this.params["decoder.num_layers"] }, (_, i) => i);
    return {
      past: layers.map((i) => (tensors[`past_${i}`] ?? []) as readonly tf.Tensor2D[]),
      memory: tensors["memory"] as readonly tf.Tensor3D[],
      lengths: tensors["lengths"]![0] as tf.Tensor1D,
      sentences: tf.tensor1d(sentences, "int32"),
      ancestors: tf.tensor2d(ancestors, [sentences.length, time], "int32"),
    };
  }
}
