/** An int8 export of a Transformer as the layers of the reference executor. */
import type { Int8Model } from "../../formats/int8-model.ts";
import type { ActivationQuantizer } from "./coded.ts";
import { ExportParts } from "./export-parts.ts";
import type { AttentionWeights, FeedForwardWeights, QuantizedLinear, Wrapper } from "./layers.ts";
import type { StackParameters, Timing, TransformerParameters } from "./parameters.ts";
import { transformerParameters } from "./parameters.ts";
import type { Linear } from "./product.ts";
import type {
  DecoderLayer,
  EmbeddingWeights,
  EncoderLayer,
  StackEnds,
  TransformerWeights,
  Wrapped,
} from "./transformer-weights.ts";

/**
 * The layers of a parsed export.
 * @throws {FormatError} if it holds no Transformer, or one whose products are not all quantized
 */
export function transformerWeights(model: Int8Model): TransformerWeights {
  const parameters = transformerParameters(model.record.model.params);
  return new TransformerLoader(model, parameters).load();
}

const ROOT = "SequenceToSequence";

/** A stack while its layers are read, in order. */
interface StackPlace {
  readonly path: string;
  readonly stack: StackParameters;
  /** The quantizer of what the next sublayer receives: post-norm sublayers receive the last one's. */
  last: ActivationQuantizer | null;
}

class TransformerLoader {
  readonly #parts: ExportParts;
  readonly #model: Int8Model;
  readonly #parameters: TransformerParameters;

  constructor(model: Int8Model, parameters: TransformerParameters) {
    this.#model = model;
    this.#parts = new ExportParts(model);
    this.#parameters = parameters;
  }

  load(): TransformerWeights {
    const { vocabulary } = this.#model.record;
    const { encoder, decoder } = this.#parameters;
    const source = this.#place("TransformerEncoder", encoder);
    const input = source.last;
    const encoderLayers = indices(encoder).map((i) => this.#encoderLayer(source, i));
    const encoderEnds = this.#ends(source, input);
    const memory = source.last!;
    const target = this.#place("TransformerDecoder", decoder);
    const targetInput = target.last;
    const decoderLayers = indices(decoder).map((i) => this.#decoderLayer(target, i, memory));
    const decoderEnds = this.#ends(target, targetInput);
    const weights: TransformerWeights = {
      parameters: this.#parameters,
      vocabulary,
      source: this.#embedding("source"),
      target: this.#embedding("target"),
      encoder: encoderLayers,
      encoderEnds,
      decoder: decoderLayers,
      decoderEnds,
      logits: this.#logits(target.last!),
    };
    this.#parts.end();
    return weights;
  }

  #place(name: string, stack: StackParameters): StackPlace {
    const path = `${ROOT}/${name}`;
    return {
      path,
      stack,
      last: stack.postNormalize ? this.#parts.quantizer(`${path}/input`) : null,
    };
  }

  #ends(place: StackPlace, input: ActivationQuantizer | null): StackEnds {
    const { path, stack } = place;
    if (stack.postNormalize) return { input, output: null };
    const norm = this.#parts.norm(`${path}/output_ln`, stack.dim, stack.epsilon);
    const quantizer = this.#parts.quantizer(`${path}/output_ln`);
    place.last = quantizer;
    return { input: null, output: { norm, quantizer } };
  }

  #encoderLayer(place: StackPlace, index: number): EncoderLayer {
    return {
      selfAttention: this.#selfAttention(place, index),
      feedForward: this.#feedForward(place, index),
    };
  }

  #decoderLayer(place: StackPlace, index: number, memory: ActivationQuantizer): DecoderLayer {
    return {
      selfAttention: this.#selfAttention(place, index),
      crossAttention: this.#crossAttention(place, index, memory),
      feedForward: this.#feedForward(place, index),
    };
  }

  /** A sublayer's wrapper, its path, and the quantizer of its input. */
  #wrapper(place: StackPlace, index: number, name: string) {
    const { stack } = place;
    const outer = `${place.path}/layer_${index}/${name}_prepost_wrapper`;
    const quantizer = this.#parts.quantizer(`${outer}/ln`);
    const norm = this.#parts.norm(`${outer}/ln`, stack.dim, stack.epsilon);
    const wrapper: Wrapper = { norm, quantizer, postNormalize: stack.postNormalize };
    const input = stack.postNormalize ? place.last! : quantizer;
    place.last = quantizer;
    return { wrapper, path: `${outer}/${name}`, input };
  }

  #selfAttention(place: StackPlace, index: number): EncoderLayer["selfAttention"] {
    const { wrapper, path, input } = this.#wrapper(place, index, "self_attention");
    const qkv = this.#map(`${path}/qkv_transform`, [place.stack.dim, 3], input);
    return { wrapper, layer: { qkv, ...this.#attention(path, place.stack, [qkv, qkv]) } };
  }

  #crossAttention(
    place: StackPlace,
    index: number,
    memory: ActivationQuantizer,
  ): DecoderLayer["crossAttention"] {
    const { wrapper, path, input } = this.#wrapper(place, index, "encdec_attention");
    const q = this.#map(`${path}/q_transform`, [place.stack.dim, 1], input);
    const kv = this.#map(`${path}/kv_transform`, [place.stack.dim, 2], memory);
    return { wrapper, layer: { q, kv, ...this.#attention(path, place.stack, [q, kv]) } };
  }

  /** @param maps those that make the queries, and the keys and values */
  #attention(
    path: string,
    { dim, numHeads }: StackParameters,
    [q, kv]: readonly [QuantizedLinear, QuantizedLinear],
  ): AttentionWeights {
    const softmax = this.#parts.quantizer(`${path}/softmax`);
    const context = this.#parts.quantizer(`${path}/output`);
    return {
      spec: { path, numHeads, queries: q.output, keyValues: kv.output, softmax },
      context,
      transform: this.#map(`${path}/output_transform`, [dim, 1], context),
    };
  }

  /** A map from `dim` to `parts` times `dim` with its output's quantizer. */
  #map(
    path: string,
    [dim, parts]: readonly [number, number],
    input: ActivationQuantizer,
  ): QuantizedLinear {
    const linear = this.#parts.linear(path, [dim, parts * dim], input);
    return { linear, output: this.#parts.quantizer(`${path}/output`) };
  }

  #feedForward(place: StackPlace, index: number): Wrapped<FeedForwardWeights> {
    const { wrapper, path, input } = this.#wrapper(place, index, "ffn");
    const { dim, filterSize } = place.stack;
    const hidden = this.#parts.quantizer(`${path}/dense1_activ`);
    const dense1 = this.#parts.linear(`${path}/dense1`, [dim, filterSize], input);
    const dense2 = this.#parts.linear(`${path}/dense2`, [filterSize, dim], hidden);
    return { wrapper, layer: { dense1, hidden, dense2 } };
  }

  #embedding(side: "source" | "target"): EmbeddingWeights {
    const { scope, table, timing } = this.#modality(side);
    const positions = `${scope}/position_embeddings/weights`;
    const hasTable = timing !== null && (timing === "emb" || this.#model.weights.has(positions));
    const { dim } = this.#parameters.decoder;
    const size = this.#model.record.vocabulary[`${side}_size`];
    return {
      table: this.#parts.matrix(`${table}/weights`, [size, dim]),
      timing,
      positions: hasTable ? this.#parts.matrix(positions, [null, dim]) : null,
    };
  }

  /** Paths of one side's embedding. */
  #modality(side: "source" | "target"): { scope: string; table: string; timing: Timing } {
    const { shareSourceTarget, shareSoftmax, sourceTiming, targetTiming } = this.#parameters;
    const timing = side === "source" ? sourceTiming : targetTiming;
    const own = side === "source" ? "input" : "target";
    const name = `${shareSourceTarget ? "shared" : own}_symbol_modality`;
    const scope = `${ROOT}/${name}_posenc_wrapper`;
    const isSoftmax = shareSoftmax && (side === "target" || shareSourceTarget);
    const outer = timing === null ? `${ROOT}/${name}` : `${scope}/${name}`;
    return { scope, table: `${outer}/${isSoftmax ? "shared" : "emb"}`, timing };
  }

  #logits(input: ActivationQuantizer): Linear {
    const { shareSoftmax, decoder } = this.#parameters;
    const size = this.#model.record.vocabulary.target_size;
    if (shareSoftmax) {
      return this.#parts.logits(this.#modality("target").table, [size, decoder.dim], input);
    }
    return this.#parts.linear(`${ROOT}/softmax_linear`, [decoder.dim, size], input);
  }
}

function indices({ numLayers }: StackParameters): number[] {
  return Array.from({ length: numLayers }, (_, i) => i);
}
