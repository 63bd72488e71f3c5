/** What the reference executor computes with: an export's parts, arranged in layers. */
import type { LayerNormWeights } from "../../core/layer-norm.ts";
import type { Int8Weight } from "../../formats/int8-model.ts";
import type { QuantizationRecord } from "../../formats/quantization-json.ts";
import type { ActivationQuantizer } from "./coded.ts";
import type {
  CrossAttentionWeights,
  FeedForwardWeights,
  SelfAttentionWeights,
  Wrapper,
} from "./layers.ts";
import type { Timing, TransformerParameters } from "./parameters.ts";
import type { Linear } from "./product.ts";

/** A sublayer in its residual connection. */
export interface Wrapped<Layer> {
  readonly wrapper: Wrapper;
  readonly layer: Layer;
}

/** One layer of the encoder. */
export interface EncoderLayer {
  readonly selfAttention: Wrapped<SelfAttentionWeights>;
  readonly feedForward: Wrapped<FeedForwardWeights>;
}

/** One layer of the decoder. */
export interface DecoderLayer extends EncoderLayer {
  readonly crossAttention: Wrapped<CrossAttentionWeights>;
}

/** A norm and its quantizer. */
interface OutputNorm {
  readonly norm: LayerNormWeights;
  readonly quantizer: ActivationQuantizer;
}

/** What lies around the layers of a stack. */
export interface StackEnds {
  /** Post-norm: puts the stack's input on a grid. */
  readonly input: ActivationQuantizer | null;
  /** Pre-norm: normalizes the stack's result and puts it on a grid. */
  readonly output: OutputNorm | null;
}

/** Token and position vectors of one side. */
export interface EmbeddingWeights {
  readonly table: Int8Weight;
  readonly timing: Timing;
  /** A table of positions; null: none, or computed sinusoids. */
  readonly positions: Int8Weight | null;
}

/** Everything that the executor computes with. */
export interface TransformerWeights {
  readonly parameters: TransformerParameters;
  readonly vocabulary: QuantizationRecord["vocabulary"];
  readonly source: EmbeddingWeights;
  readonly target: EmbeddingWeights;
  readonly encoder: readonly EncoderLayer[];
  readonly encoderEnds: StackEnds;
  readonly decoder: readonly DecoderLayer[];
  readonly decoderEnds: StackEnds;
  readonly logits: Linear;
}
