/** NeurST's Transformer: an encoder-decoder model with attention, and its step-by-step decoding. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { activationOf } from "../layers/activation.ts";
import { QuantDense } from "../layers/dense.ts";
import { TokenEmbedding } from "../layers/embedding.ts";
import { asRows } from "../layers/input-tensors.ts";
import { PositionEmbedding } from "../layers/position-embedding.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import { type DecoderCache, TransformerDecoder } from "../layers/transformer-decoder.ts";
import { TransformerEncoder, type StackArgs } from "../layers/transformer-encoder.ts";
import type { QuantConfig } from "../quant/config.ts";
import type { Pass } from "../quant/pass.ts";
import { QuantPolicy } from "../quant/policy.ts";
import { ROOT_SCOPE, shortPath } from "./layer-paths.ts";
import type { DecodeState, Seq2SeqModel } from "./model.ts";
import { firstRows, gatherRows, rowsAfterStep, type StateRows } from "./state-rows.ts";
import {
  embeddingDim,
  parseTransformerParams,
  stackParams,
  timingOf,
  type TransformerParams,
} from "./transformer-params.ts";

export interface TransformerArgs {
  /** NeurST's dotted `model.params`; missing ones get their defaults. */
  readonly params: unknown;
  readonly sourceVocabSize: number;
  readonly targetVocabSize: number;
  /** Null for a float model. */
  readonly quantConfig: QuantConfig | null;
  /** Seed of initial weights. */
  readonly seed: number;
}

/** Token vectors and positions of one side. */
interface Modality {
  readonly embedding: TokenEmbedding;
  readonly positions: PositionEmbedding | null;
}

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

  /** @throws {ConfigError} for parameters or overrides that do not fit */
  constructor(args: TransformerArgs) {
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
    this.variables = new Map(this.layers().flatMap((layer) => [...layer.namedVariables()]));
    try {
      policy.assertAllMatched();
    } catch (error) {
      this.dispose();
      throw error;
    }
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
    const x = embed(this.#target, targetInput, 0, pass);
    return this.#project(this.#decoder.decode(x, memory, sourceLengths, pass), pass);
  }

  startState(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): DecodeState {
    const tensors = tf.tidy(() => {
      const memory = this.#encode(source, sourceLengths, pass);
      return {
        lengths: [tf.clone(sourceLengths)],
        memory: this.#decoder.keepMemory(memory, pass),
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

  gatherState(state: DecodeState, rows: Int32Array): DecodeState {
    return { tensors: state.tensors, rows: gatherRows(state.rows, rows) };
  }

  disposeState(state: DecodeState): void {
    for (const tensors of Object.values(state.tensors)) tf.dispose([...tensors]);
  }

  dispose(): void {
    for (const layer of this.#topLayers) layer.dispose();
  }

  #encode(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): tf.Tensor {
    const x = embed(this.#source, source, 0, pass);
    return this.#encoder.encode(x, sourceLengths, pass);
  }

  /** @param x [..., hiddenSize], the decoder's result @returns [rows, targetVocab] */
  #project(x: tf.Tensor, pass: Pass): tf.Tensor2D {
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

/** Token vectors with positions: [batch, time] → [batch, time, width]. */
function embed(
  { embedding, positions }: Modality,
  ids: tf.Tensor2D,
  start: number,
  pass: Pass,
): tf.Tensor {
  const vectors = embedding.embed(ids, pass);
  return positions === null ? vectors : positions.addPositions(vectors, start, pass);
}

/** Keeps tensors beyond the caller's tidy, until they are disposed with their state. */
function keepAll(tensors: readonly tf.Tensor[]): void {
  for (const tensor of tensors) tf.keep(tensor);
}

interface Parts {
  readonly source: Modality;
  readonly target: Modality;
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;
  readonly softmax: QuantDense | null;
}

function makeParts(params: TransformerParams, args: TransformerArgs, policy: QuantPolicy): Parts {
  const { sourceVocabSize, targetVocabSize, seed } = args;
  const common = { policy, seed };
  const sharesSides = params["modality.share_source_target_embedding"];
  const sharesSoftmax = params["modality.share_embedding_and_softmax_weights"];
  if (sharesSides && sourceVocabSize !== targetVocabSize) {
    throw new ConfigError(
      `modality.share_source_target_embedding: expected vocabularies of one size, received ` +
        `${sourceVocabSize} and ${targetVocabSize}. Use one vocabulary or set it to false.`,
    );
  }
  const target = makeModality(params, "target", {
    ...{ ...common, vocabSize: targetVocabSize, sharesSoftmax },
    name: sharesSides ? "shared_symbol_modality" : "target_symbol_modality",
  });
  const source = sharesSides
    ? target
    : makeModality(params, "source", {
        ...{ ...common, vocabSize: sourceVocabSize, sharesSoftmax: false },
        name: "input_symbol_modality",
      });
  const monotonic = params["encoder.attention_monotonic"] ?? false;
  const encoder = new TransformerEncoder({
    ...{ ...common, ...stackArgs(params, "encoder"), monotonic },
    name: `${ROOT_SCOPE}/TransformerEncoder`,
  });
  encoder.build([null, null, params["encoder.hidden_size"]]);
  const decoder = new TransformerDecoder({
    ...{ ...common, ...stackArgs(params, "decoder") },
    name: `${ROOT_SCOPE}/TransformerDecoder`,
  });
  decoder.build([null, null, params["decoder.hidden_size"]]);
  const softmax = sharesSoftmax
    ? null
    : new QuantDense({
        ...{ ...common, units: targetVocabSize, quantizeOutput: false },
        name: `${ROOT_SCOPE}/softmax_linear`,
      });
  softmax?.build([null, params["decoder.hidden_size"]]);
  return { source, target, encoder, decoder, softmax };
}

function makeModality(
  params: TransformerParams,
  side: "source" | "target",
  args: {
    name: string;
    policy: QuantPolicy;
    seed: number;
    vocabSize: number;
    sharesSoftmax: boolean;
  },
): Modality {
  const { name, policy, seed, vocabSize, sharesSoftmax } = args;
  const dim = embeddingDim(params, side);
  const timing = timingOf(params, side);
  const wrapper = `${ROOT_SCOPE}/${name}_posenc_wrapper`;
  const scope = timing === null ? `${ROOT_SCOPE}/${name}` : `${wrapper}/${name}`;
  const embedding = new TokenEmbedding({
    ...{ policy, seed, vocabSize, dim, sharesSoftmax },
    name: `${scope}/${sharesSoftmax ? "shared" : "emb"}`,
  });
  embedding.build([null]);
  if (timing === null) return { embedding, positions: null };
  const settings = typeof timing === "string" ? { timing } : timing;
  const positions = new PositionEmbedding({
    ...{ policy, seed, timing: settings.timing },
    maxPositions: settings.max_positions ?? 512,
    sinusoidsAsVariable: settings.sinusoids_as_variable ?? false,
    name: `${wrapper}/position_embeddings`,
  });
  positions.build([null, null, dim]);
  return { embedding, positions };
}

function stackArgs(params: TransformerParams, stack: "encoder" | "decoder"): StackArgs {
  const p = stackParams(params, stack);
  return {
    numLayers: p.num_layers,
    hiddenSize: p.hidden_size,
    numHeads: p.num_attention_heads,
    filterSize: p.filter_size,
    activation: activationOf(`model.params.${stack}.ffn_activation`, p.ffn_activation),
    attentionDropoutRate: p.attention_dropout_rate,
    ffnDropoutRate: p.ffn_dropout_rate,
    postprocessDropoutRate: p.layer_postprocess_dropout_rate,
    epsilon: p.layer_postprocess_epsilon,
    postNormalize: p.post_normalize,
  };
}
