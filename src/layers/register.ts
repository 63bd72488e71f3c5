/** Makes the layers known to the host, so that `tf.loadLayersModel` finds them. */
import * as tf from "@tensorflow/tfjs";
import { CrossAttention, SelfAttention } from "./attention.ts";
import { QuantDense } from "./dense.ts";
import { TokenEmbedding } from "./embedding.ts";
import { FeedForward } from "./feed-forward.ts";
import { LayerNorm } from "./layer-norm.ts";
import { MultiHeadDense } from "./multi-head-dense.ts";
import { PositionEmbedding } from "./position-embedding.ts";
import { PrePostWrapper } from "./pre-post-wrapper.ts";
import { TransformerDecoder } from "./transformer-decoder.ts";
import { TransformerEncoder } from "./transformer-encoder.ts";

/** Layers that a host model may hold. */
export const HOST_LAYERS = [
  QuantDense,
  MultiHeadDense,
  SelfAttention,
  CrossAttention,
  FeedForward,
  TokenEmbedding,
  LayerNorm,
  PositionEmbedding,
  PrePostWrapper,
  TransformerEncoder,
  TransformerDecoder,
] as const;

/** Registers every layer with TensorFlow.js. May be called again. */
export function registerLayers(): void {
  for (const layer of HOST_LAYERS) tf.serialization.registerClass(layer);
}
