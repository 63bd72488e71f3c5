/** The stack of a Transformer's decoder. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { CrossAttention, type KeysAndValues, type SelfAttention } from "./attention.ts";
import type { FeedForward } from "./feed-forward.ts";
import type { PrePostWrapper } from "./pre-post-wrapper.ts";
import type { CallArgs } from "./quant-layer.ts";
import { TransformerStack } from "./transformer-encoder.ts";

/** What one decoder layer remembers between steps. */
export interface LayerCache {
  /** Keys and values of the tokens so far; null before the first. */
  readonly past: KeysAndValues | null;
  /** Keys and values of the encoder's result. */
  readonly memory: KeysAndValues;
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

  /** Keys and values of the encoder's result for every layer. */
  memorize(memory: tf.Tensor, pass: Pass): KeysAndValues[] {
    return this.#layers.map(({ crossAttention }) => crossAttention.layer.memorize(memory, pass));
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
    pass: Pass,
  ): tf.Tensor {
    const visibility = { keyLengths: null, causal: true };
    let y = this.prepare(x, pass);
    for (const { selfAttention: self, crossAttention: cross, ffn } of this.#layers) {
      y = self.wrap(y, (z) => self.layer.attendToSelf(z, visibility, pass), pass);
      const attend = (z: tf.Tensor): tf.Tensor =>
        cross.layer.attendToMemory(z, cross.layer.memorize(memory, pass), memoryLengths, pass);
      y = cross.wrap(y, attend, pass);
      y = ffn.wrap(y, (z) => ffn.layer.transform(z, pass), pass);
    }
    return this.finish(y, pass);
  }

  /**
   * One more position of each row.
   * @param x [rows, 1, hiddenSize], embedded
   * @param caches one for each layer, from the step before
   * @returns [rows, 1, hiddenSize], for use in products, and what to remember
   */
  decodeStep(
    x: tf.Tensor,
    caches: readonly LayerCache[],
    memoryLengths: tf.Tensor1D | null,
    pass: Pass,
  ): { output: tf.Tensor; caches: LayerCache[] } {
    let y = this.prepare(x, pass);
    const next = this.#layers.map((layer, i): LayerCache => {
      const { selfAttention: self, crossAttention: cross, ffn } = layer;
      let past = caches[i]!.past;
      const attendToPast = (z: tf.Tensor): tf.Tensor => {
        const step = self.layer.attendToPast(z, past, pass);
        past = step.past;
        return step.output;
      };
      y = self.wrap(y, attendToPast, pass);
      const memory = cross.layer.markMemory(caches[i]!.memory, pass);
      const attend = (z: tf.Tensor): tf.Tensor =>
        cross.layer.attendToMemory(z, memory, memoryLengths, pass);
      y = cross.wrap(y, attend, pass);
      y = ffn.wrap(y, (z) => ffn.layer.transform(z, pass), pass);
      return { past, memory };
    });
    return { output: this.finish(y, pass), caches: next };
  }

  /** Under the host: inputs are x and the memory; nothing is padding. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const list = [inputs].flat();
    return this.inPass(kwargs, (pass) => this.decode(list[0]!, list.at(-1)!, null, pass));
  }
}
