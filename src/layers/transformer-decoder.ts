/** The stack of a Transformer's decoder. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { CrossAttention, type PastBlocks, type SelfAttention } from "./attention.ts";
import type { FeedForward } from "./feed-forward.ts";
import { atPositions, batchMajor } from "./positions.ts";
import type { PrePostWrapper } from "./pre-post-wrapper.ts";
import type { CallArgs } from "./quant-layer.ts";
import { TransformerStack } from "./transformer-encoder.ts";

/** What the decoder keeps of the source; see `ops/cached-attention.ts`. */
interface DecoderMemory {
  /** For each layer what it keeps of the encoder's result. */
  readonly memory: readonly tf.Tensor3D[];
  /** int32 [sentences]: how many positions of the memory are real. */
  readonly lengths: tf.Tensor1D;
  /** int32 [rows]: the sentence of each row. */
  readonly sentences: tf.Tensor1D;
}

/** What the decoder remembers between steps. */
export interface DecoderCache extends DecoderMemory {
  /** For each layer what each step so far has left. */
  readonly past: readonly (readonly tf.Tensor2D[])[];
  /** int32 [rows, steps], the next one included: each row's row in what each step left. */
  readonly ancestors: tf.Tensor2D;
}

/** The same in blocks of fixed shape. */
export interface DecoderBlocks extends DecoderMemory, Pick<PastBlocks, "places" | "position"> {
  /** For each layer its blocks. */
  readonly blocks: readonly (readonly tf.Tensor2D[])[];
}

/** A layer's attention to what steps before have left. */
type AttendToPast = (
  layer: SelfAttention,
  index: number,
  x: tf.Tensor,
) => { output: tf.Tensor; left: tf.Tensor2D };

/** One more position of each row: its vectors, and what each layer leaves of it. */
interface DecodedStep {
  /** [rows, 1, hiddenSize], for use in products. */
  readonly output: tf.Tensor;
  readonly left: tf.Tensor2D[];
}

interface DecoderLayer {
  readonly selfAttention: PrePostWrapper<SelfAttention>;
  readonly crossAttention: PrePostWrapper<CrossAttention>;
  readonly ffn: PrePostWrapper<FeedForward>;
}

/** Masked self-attention, attention to the encoder's result and feed-forward, `numLayers` times. */
export class TransformerDecoder extends TransformerStack {
  static readonly className = "TransformerDecoder";
  #layers: DecoderLayer[] = [];

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#layers = Array.from({ length: this.args.numLayers }, (_, i) => ({
      selfAttention: this.selfAttention(i),
      crossAttention: this.#crossAttention(i),
      ffn: this.feedForward(i),
    }));
    super.build(inputShape);
  }

  #crossAttention(index: number): PrePostWrapper<CrossAttention> {
    const { numHeads, hiddenSize: units, attentionDropoutRate: dropoutRate } = this.args;
    return this.wrapped(index, "encdec_attention", (args) => {
      return new CrossAttention({ ...args, numHeads, units, dropoutRate });
    });
  }

  /** What every layer keeps of the encoder's result. @param lengths int32 [batch]; null: all real */
  keepMemory(memory: tf.Tensor, lengths: tf.Tensor1D | null, outerPass: Pass): tf.Tensor3D[] {
    const pass = atPositions(outerPass, () => batchMajor(lengths, memory.shape[1]!));
    return this.#layers.map(({ crossAttention }) => crossAttention.layer.keepMemory(memory, pass));
  }

  /**
   * All positions at once.
   * @param x [batch, time, hiddenSize], embedded
   * @param memory the encoder's result [batch, sourceTime, hiddenSize]
   * @param memoryLengths int32 [batch], or null where nothing is padding
   * @returns [batch, time, hiddenSize], for use in products
   */
  decode(
    x: tf.Tensor,
    memory: tf.Tensor,
    memoryLengths: tf.Tensor1D | null,
    outerPass: Pass,
  ): tf.Tensor {
    const targetLengths = outerPass.targetLengths ?? null;
    const pass = atPositions(outerPass, () => batchMajor(targetLengths, x.shape[1]!));
    const memoryPass = atPositions(outerPass, () => batchMajor(memoryLengths, memory.shape[1]!));
    const visibility = { keyLengths: null, causal: true };
    let y = this.prepare(x, pass);
    for (const { selfAttention: self, crossAttention: cross, ffn } of this.#layers) {
      y = self.wrap(y, (z) => self.layer.attendToSelf(z, visibility, pass), pass);
      const attend = (z: tf.Tensor): tf.Tensor =>
        cross.layer.attendToMemory(
          z,
          cross.layer.memorize(memory, memoryPass),
          memoryLengths,
          pass,
        );
      y = cross.wrap(y, attend, pass);
      y = ffn.wrap(y, (z) => ffn.layer.transform(z, pass), pass);
    }
    return this.finish(y, pass);
  }

  /**
   * One more position of each row.
   * @param x [rows, 1, hiddenSize], embedded
   * @returns [rows, 1, hiddenSize], for use in products, and what each layer leaves of this step
   */
  decodeStep(x: tf.Tensor, cache: DecoderCache, pass: Pass): DecodedStep {
    const { past, ancestors } = cache;
    const attend: AttendToPast = (layer, i, z) => layer.attendToPast(z, past[i]!, ancestors, pass);
    return this.#step(x, cache, attend, pass);
  }

  /** The same in blocks: what each layer leaves is its last block with this step in it. */
  decodeInBlocks(x: tf.Tensor, cache: DecoderBlocks, pass: Pass): DecodedStep {
    const { blocks, places, position } = cache;
    const attend: AttendToPast = (layer, i, z) =>
      layer.attendToBlocks(z, { blocks: blocks[i]!, places, position }, pass);
    return this.#step(x, cache, attend, pass);
  }

  #step(x: tf.Tensor, kept: DecoderMemory, attend: AttendToPast, pass: Pass): DecodedStep {
    const { sentences, lengths } = kept;
    let y = this.prepare(x, pass);
    const left = this.#layers.map((layer, i) => {
      const { selfAttention: self, crossAttention: cross, ffn } = layer;
      let own: tf.Tensor2D;
      const attendToPast = (z: tf.Tensor): tf.Tensor => {
        const step = attend(self.layer, i, z);
        own = step.left;
        return step.output;
      };
      y = self.wrap(y, attendToPast, pass);
      const memory = { memory: kept.memory[i]!, sentences, lengths };
      y = cross.wrap(y, (z) => cross.layer.attendToKeptMemory(z, memory, pass), pass);
      y = ffn.wrap(y, (z) => ffn.layer.transform(z, pass), pass);
      return own!;
    });
    return { output: this.finish(y, pass), left };
  }

  /** Under the host: inputs are x and the memory; nothing is padding. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const list = [inputs].flat();
    return this.inPass(kwargs, (pass) => this.decode(list[0]!, list.at(-1)!, null, pass));
  }
}
