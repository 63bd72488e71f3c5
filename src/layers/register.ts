/** Makes the layers known to the host, so that `tf.loadLayersModel` finds them. */
import * as tf from "@tensorflow/tfjs";
import { CrossAttention, SelfAttention } from "./attention.ts";
import { BahdanauAttention } from "./bahdanau-attention.ts";
import { QuantDense } from "./dense.ts";
import {
  BatchMatmul,
  Concat,
  EltwiseAdd,
  EltwiseMult,
  Matmul,
  QuantActivation,
} from "./elementwise.ts";
import { TokenEmbedding } from "./embedding.ts";
import { FeedForward } from "./feed-forward.ts";
import { GnmtDecoder } from "./gnmt-decoder.ts";
import { GnmtEncoder } from "./gnmt-encoder.ts";
import { QuantGRUCell } from "./gru-cell.ts";
import { QuantGRU } from "./gru.ts";
import { LayerNorm } from "./layer-norm.ts";
import { QuantLSTMCell } from "./lstm-cell.ts";
import { QuantLSTM } from "./lstm.ts";
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
  EltwiseAdd,
  EltwiseMult,
  Matmul,
  BatchMatmul,
  Concat,
  QuantActivation,
  QuantLSTMCell,
  QuantLSTM,
  QuantGRUCell,
  QuantGRU,
  BahdanauAttention,
  GnmtEncoder,
  GnmtDecoder,
] as const;

/** Registers every layer with TensorFlow.js. May be called again. */
export function registerLayers(): void {
  for (const layer of HOST_LAYERS) tf.serialization.registerClass(layer);
}
