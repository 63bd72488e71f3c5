/** The parts of a Transformer, made from its parameters under NeurST's names. */
import type * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { activationOf } from "../layers/activation.ts";
import { QuantDense } from "../layers/dense.ts";
import { TokenEmbedding } from "../layers/embedding.ts";
import { PositionEmbedding, type GivenPosition } from "../layers/position-embedding.ts";
import { TransformerDecoder } from "../layers/transformer-decoder.ts";
import { TransformerEncoder, type StackArgs } from "../layers/transformer-encoder.ts";
import type { Pass } from "../quant/pass.ts";
import type { QuantPolicy } from "../quant/policy.ts";
import { ROOT_SCOPE } from "./layer-paths.ts";
import type { ModelArgs } from "./model.ts";
import {
  embeddingDim,
  stackParams,
  timingOf,
  type TransformerParams,
} from "./transformer-params.ts";

/** Token vectors and positions of one side. */
export interface Modality {
  readonly embedding: TokenEmbedding;
  readonly positions: PositionEmbedding | null;
}

/** Token vectors with positions: [batch, time] → [batch, time, width]. @param start position of the first */
export function embed(
  { embedding, positions }: Modality,
  ids: tf.Tensor2D,
  start: number | GivenPosition,
  pass: Pass,
): tf.Tensor {
  const vectors = embedding.embed(ids, pass);
  if (positions === null) return vectors;
  if (typeof start === "number") return positions.addPositions(vectors, start, pass);
  return positions.addGivenPosition(vectors, start, pass);
}

/** What a Transformer is made of; softmax is null where the target's table makes the logits. */
export interface TransformerParts {
  readonly source: Modality;
  readonly target: Modality;
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;
  readonly softmax: QuantDense | null;
}

/** @throws {ConfigError} for sides that cannot share */
export function makeParts(
  params: TransformerParams,
  args: ModelArgs,
  policy: QuantPolicy,
): TransformerParts {
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
