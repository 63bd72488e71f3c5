/**
 * NeurST's Transformer on plain arrays: int32 products of codes, float32 elsewhere in the order that
 * `core/` defines. It reads an int8 export and nothing else, one sentence at a time, so that padding
 * and batch mates cannot play a part: the judge of every other executor.
 */
import { logSoftmax } from "../../core/softmax.ts";
import type { KeyValues } from "./attention.ts";
import type { Coded } from "./coded.ts";
import { Embedding } from "./embedding.ts";
import type { ReferenceExecutor } from "./executor.ts";
import {
  attendBlocks,
  feedForward,
  joinRows,
  normalize,
  quantizedLinear,
  type QueryBlock,
  type Rows,
  type SelfAttentionWeights,
  splitRows,
  valuesOf,
  wrap,
} from "./layers.ts";
import { linear } from "./product.ts";
import type { Trace } from "./trace.ts";
import type { DecoderLayer, StackEnds, TransformerWeights } from "./transformer-weights.ts";

/** One hypothesis: what each decoder layer remembers of its source and of its own tokens. */
interface ReferenceHypothesis {
  readonly memory: readonly KeyValues[];
  readonly past: readonly KeyValues[];
}

/** Hypotheses, one for each row. */
type TransformerState = readonly ReferenceHypothesis[];

const SILENT: Trace = {};

/** Runs an int8 export; fits where decoding expects a step scorer. */
export class ReferenceTransformer implements ReferenceExecutor {
  readonly #weights: TransformerWeights;
  readonly #source: Embedding;
  readonly #target: Embedding;
  readonly #dim: number;
  readonly vocabSize: number;

  constructor(weights: TransformerWeights) {
    this.#weights = weights;
    this.#source = new Embedding(weights.source);
    this.#target = new Embedding(weights.target);
    this.#dim = weights.parameters.decoder.dim;
    this.vocabSize = weights.vocabulary.target_size;
  }

  /**
   * Teacher-forced logits of one sentence.
   * @param source ids with EOS
   * @param targetInput BOS, then the target without its last token
   * @returns float32 [time, vocabSize]
   */
  logits(source: Int32Array, targetInput: Int32Array, trace: Trace = SILENT): Float32Array {
    const memory = this.#memorize(this.#encode(source, trace), trace);
    const x = this.#target.lookUp(targetInput, (i) => i);
    const queries = targetInput.length;
    const self = (qkv: Coded): readonly QueryBlock[] => [this.#wholeBlock(qkv, true)];
    const cross = (layer: number): readonly QueryBlock[] => [
      { memory: memory[layer]!, queries, causal: false },
    ];
    return this.#decode(x, self, cross, trace);
  }

  /** Encodes sources; one row for each. */
  start(sources: readonly Int32Array[]): TransformerState {
    const { decoder } = this.#weights;
    const past = decoder.map(() => ({ keys: [], values: [] }));
    return sources.map((source) => ({
      memory: this.#memorize(this.#encode(source, SILENT), SILENT),
      past,
    }));
  }

  /**
   * Advances every row by one token.
   * @param ids [rows], the previous token of each row
   * @returns natural log-probabilities [rows · vocabSize], and the state after the tokens
   */
  step(
    state: TransformerState,
    ids: Int32Array,
    trace: Trace = SILENT,
  ): { logProbs: Float32Array; state: TransformerState } {
    const x = this.#target.lookUp(ids, (row) => state[row]!.past[0]!.keys.length);
    const layers: KeyValues[][] = [];
    const self = (qkv: Coded): readonly QueryBlock[] => {
      const [, keys, values] = splitRows(qkv, 3, this.#dim);
      const pasts = state.map(({ past }, row): KeyValues => {
        const { keys: oldKeys, values: oldValues } = past[layers.length]!;
        return {
          keys: [...oldKeys, keys![row]!],
          values: [...oldValues, values![row]!],
        };
      });
      layers.push(pasts);
      return pasts.map((memory) => ({ memory, queries: 1, causal: false }));
    };
    const cross = (layer: number): readonly QueryBlock[] =>
      state.map(({ memory }) => ({ memory: memory[layer]!, queries: 1, causal: false }));
    const logits = this.#decode(x, self, cross, trace);
    const logProbs = logSoftmax(
      logits,
      new Float32Array(logits.length),
      state.length,
      this.vocabSize,
    );
    const next = state.map(({ memory }, row) => ({ memory, past: layers.map((l) => l[row]!) }));
    return { logProbs, state: next };
  }

  /** Rows of a state by index; repeats and drops allowed. */
  gather(state: TransformerState, rows: Int32Array): TransformerState {
    return Array.from(rows, (row) => state[row]!);
  }

  /** Nothing to free: states are plain arrays. */
  dispose(): void {
    return;
  }

  #encode(source: Int32Array, trace: Trace): Coded {
    const { encoder, encoderEnds, parameters } = this.#weights;
    let x = enter(
      this.#source.lookUp(source, (i) => i),
      encoderEnds,
      trace,
    );
    for (const { selfAttention, feedForward: ffn } of encoder) {
      const blocks = (qkv: Coded) => [this.#wholeBlock(qkv, parameters.encoder.causal)];
      const attention = selfAttention.layer;
      x = wrap(
        x,
        selfAttention.wrapper,
        (input) => this.#selfAttend(input, attention, blocks, trace),
        trace,
      );
      x = wrap(x, ffn.wrapper, (input) => feedForward(input, ffn.layer, trace), trace);
    }
    return leave(x, encoderEnds, trace);
  }

  /** Keys and values of the encoder's result for every decoder layer. */
  #memorize(memory: Coded, trace: Trace): KeyValues[] {
    return this.#weights.decoder.map(({ crossAttention }) => {
      const kv = quantizedLinear(memory, crossAttention.layer.kv, trace);
      const [keys, values] = splitRows(kv, 2, this.#dim);
      return { keys: keys!, values: values! };
    });
  }

  /** @returns logits [rows, vocabSize] */
  #decode(
    embedded: Float32Array,
    self: (qkv: Coded) => readonly QueryBlock[],
    cross: (layer: number) => readonly QueryBlock[],
    trace: Trace,
  ): Float32Array {
    const { decoder, decoderEnds, logits } = this.#weights;
    let x = enter(embedded, decoderEnds, trace);
    decoder.forEach((layer, i) => {
      x = this.#decoderLayer(x, layer, { self, cross: cross(i) }, trace);
    });
    return linear(leave(x, decoderEnds, trace), logits, trace);
  }

  #decoderLayer(
    x: Rows,
    { selfAttention, crossAttention, feedForward: ffn }: DecoderLayer,
    { self, cross }: DecoderBlocks,
    trace: Trace,
  ): Rows {
    const own = (input: Coded) => this.#selfAttend(input, selfAttention.layer, self, trace);
    const foreign = (input: Coded) => {
      const q = quantizedLinear(input, crossAttention.layer.q, trace);
      return attendBlocks(q.codes, cross, crossAttention.layer, trace);
    };
    const attended = wrap(x, selfAttention.wrapper, own, trace);
    const informed = wrap(attended, crossAttention.wrapper, foreign, trace);
    return wrap(informed, ffn.wrapper, (input) => feedForward(input, ffn.layer, trace), trace);
  }

  #selfAttend(
    input: Coded,
    weights: SelfAttentionWeights,
    blocks: (qkv: Coded) => readonly QueryBlock[],
    trace: Trace,
  ): Float32Array {
    const qkv = quantizedLinear(input, weights.qkv, trace);
    const q = joinRows(splitRows(qkv, 3, this.#dim)[0]!, this.#dim);
    return attendBlocks(q, blocks(qkv), weights, trace);
  }

  /** All rows as one sentence that attends to itself. */
  #wholeBlock(qkv: Coded, causal: boolean): QueryBlock {
    const [queries, keys, values] = splitRows(qkv, 3, this.#dim);
    return { memory: { keys: keys!, values: values! }, queries: queries!.length, causal };
  }
}

/** Where the rows of a decoder layer look. */
interface DecoderBlocks {
  readonly self: (qkv: Coded) => readonly QueryBlock[];
  readonly cross: readonly QueryBlock[];
}

/** A stack's input: on a grid in post-norm. */
function enter(x: Float32Array, { input }: StackEnds, trace: Trace): Rows {
  if (input === null) return { values: x, coded: null };
  const coded = input.apply(x, trace);
  return { values: valuesOf(coded), coded };
}

/** A stack's result, on a grid. */
function leave(x: Rows, { output }: StackEnds, trace: Trace): Coded {
  return output === null ? x.coded! : normalize(x.values, output.norm, output.quantizer, trace);
}
