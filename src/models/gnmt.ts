/** GNMT: an encoder and a decoder of LSTMs with normalised additive attention, as MLPerf trains it. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import type { AttendedMemory } from "../layers/bahdanau-attention.ts";
import { TokenEmbedding } from "../layers/embedding.ts";
import { GnmtDecoder } from "../layers/gnmt-decoder.ts";
import { GnmtEncoder } from "../layers/gnmt-encoder.ts";
import { atPositions, batchMajor, timeMajor } from "../layers/positions.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import type { CellStates } from "../layers/recurrent-cell.ts";
import type { QuantConfig } from "../quant/config.ts";
import type { Pass } from "../quant/pass.ts";
import { QuantPolicy } from "../quant/policy.ts";
import { type GnmtParams, parseGnmtParams } from "./gnmt-params.ts";
import { builtVariables } from "./built-variables.ts";
import { disposeTensors, keepAll } from "./kept-tensors.ts";
import { ROOT_SCOPE, shortPath } from "./layer-paths.ts";
import type { AttendedStep, DecodeState, ModelArgs, Seq2SeqModel } from "./model.ts";
import { firstRows, gatherRows } from "./state-rows.ts";

/**
 * GNMT v2 with attention in every decoder layer. Its variables carry Distiller's names, with `/` for
 * each dot and `kernel` (transposed) for PyTorch's `weight`.
 * @see Wu et al. 2016, arXiv:1609.08144; mlcommons/training, retired_benchmarks/gnmt/pytorch
 */
export class Gnmt implements Seq2SeqModel {
  readonly className = "GNMT";
  readonly params: GnmtParams;
  readonly sourceVocabSize: number;
  readonly targetVocabSize: number;
  readonly quantConfig: QuantConfig | null;
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #source: TokenEmbedding;
  readonly #target: TokenEmbedding;
  readonly #encoder: GnmtEncoder;
  readonly #decoder: GnmtDecoder;
  readonly #topLayers: readonly QuantLayer[];

  /** @throws {ConfigError} for parameters or overrides that do not fit */
  constructor(args: ModelArgs) {
    const params = parseGnmtParams(args.params);
    const policy = new QuantPolicy(args.quantConfig, shortPath);
    this.params = params;
    this.sourceVocabSize = args.sourceVocabSize;
    this.targetVocabSize = args.targetVocabSize;
    this.quantConfig = args.quantConfig;
    const common = { policy, seed: args.seed };
    const { hidden_size: units, num_layers: numLayers, dropout: dropoutRate } = params;
    const sizes = { units, numLayers, dropoutRate, initialRange: params.init_weight };
    [this.#source, this.#target] = embeddings(params, args, common);
    this.#encoder = new GnmtEncoder({ ...common, ...sizes, name: `${ROOT_SCOPE}/encoder` });
    this.#encoder.build([null, null, units]);
    this.#decoder = new GnmtDecoder({
      ...{ ...common, ...sizes, name: `${ROOT_SCOPE}/decoder` },
      vocabSize: args.targetVocabSize,
    });
    this.#decoder.build([null, null, units]);
    this.#topLayers = [...new Set([this.#source, this.#target, this.#encoder, this.#decoder])];
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
    const memory = this.#memorize(source, sourceLengths, pass);
    const x = embedded(this.#target, targetInput, pass.targetLengths ?? null, pass);
    return this.#decoder.decode(x, memory, pass).logits;
  }

  startState(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): DecodeState {
    const tensors = tf.tidy(() => {
      const { values, keys } = this.#memorize(source, sourceLengths, pass);
      const memory = [values, keys, tf.clone(sourceLengths)];
      return { memory, states: this.#decoder.zeroStates(source.shape[0]).flat() };
    });
    keepAll(Object.values(tensors).flat());
    // Rows stay at their first step: states are gathered themselves, and have no ancestors.
    return { tensors, rows: firstRows(source.shape[0]) };
  }

  step(
    ids: tf.Tensor1D,
    state: DecodeState,
    pass: Pass,
  ): { logits: tf.Tensor2D; state: DecodeState } {
    const { logits, attention, state: next } = this.stepAttended(ids, state, pass);
    attention.dispose();
    return { logits, state: next };
  }

  stepAttended(ids: tf.Tensor1D, state: DecodeState, pass: Pass): AttendedStep {
    try {
      const { tensors, rows } = state;
      const step = tf.tidy(() => {
        const x = embedded(this.#target, tf.expandDims<tf.Tensor2D>(ids, 1), null, pass);
        const memory = this.#memoryOf(state, pass);
        const run = { start: pairs(tensors["states"]!), wantsStates: true };
        const { logits, attention, states } = this.#decoder.decode(x, memory, pass, run);
        return {
          logits,
          attention: tf.squeeze<tf.Tensor2D>(attention, [1]),
          states: states.flat(),
        };
      });
      keepAll(step.states);
      tf.dispose([...tensors["states"]!]);
      const { logits, attention, states } = step;
      return { logits, attention, state: { tensors: { ...tensors, states }, rows } };
    } catch (error) {
      this.disposeState(state);
      throw error;
    }
  }

  gatherState(state: DecodeState, rows: Int32Array): DecodeState {
    const memory = state.tensors["memory"]!;
    const states = tf.tidy(() => {
      const places = tf.tensor1d(rows, "int32");
      return state.tensors["states"]!.map((tensor) => tf.keep(tf.gather(tensor, places)));
    });
    tf.dispose([...state.tensors["states"]!]);
    return { tensors: { memory, states }, rows: gatherRows(state.rows, rows) };
  }

  disposeState(state: DecodeState): void {
    disposeTensors(state);
  }

  dispose(): void {
    for (const layer of this.#topLayers) layer.dispose();
  }

  #memorize(source: tf.Tensor2D, lengths: tf.Tensor1D, pass: Pass): AttendedMemory {
    const x = embedded(this.#source, source, lengths, pass);
    const values = this.#encoder.encode(x, lengths, pass);
    const memoryPass = atPositions(pass, () => batchMajor(lengths, source.shape[1]));
    return { values, keys: this.#decoder.keysOf(values, memoryPass), lengths };
  }

  /** The memory of each row of a state. */
  #memoryOf({ tensors, rows }: DecodeState, pass: Pass): AttendedMemory {
    const { sentences } = rows;
    const all = tensors["memory"] as [tf.Tensor3D, tf.Tensor3D, tf.Tensor1D];
    const isWhole = sentences.length === all[0].shape[0] && sentences.every((s, row) => s === row);
    if (isWhole) return { values: all[0], keys: all[1], lengths: all[2] };
    const places = tf.tensor1d(sentences, "int32");
    const [values, keys, lengths] = all.map((tensor) => tf.gather(tensor, places));
    return {
      values: this.#encoder.markRows(values as tf.Tensor3D, pass),
      keys: keys as tf.Tensor3D,
      lengths: lengths as tf.Tensor1D,
    };
  }
}

/** The tables of source and target: one where they are shared. */
function embeddings(
  { share_embedding: shares, hidden_size: dim, init_weight: initialRange }: GnmtParams,
  { sourceVocabSize, targetVocabSize }: ModelArgs,
  common: { policy: QuantPolicy; seed: number },
): [TokenEmbedding, TokenEmbedding] {
  if (shares && sourceVocabSize !== targetVocabSize) {
    throw new ConfigError(
      `share_embedding: expected vocabularies of one size, received ${sourceVocabSize} and ` +
        `${targetVocabSize}. Use one vocabulary or set it to false.`,
    );
  }
  const table = (name: string, vocabSize: number): TokenEmbedding => {
    const args = { ...common, vocabSize, dim, initialRange };
    const embedding = new TokenEmbedding({ ...args, name: `${ROOT_SCOPE}/${name}` });
    embedding.build([null]);
    return embedding;
  };
  const source = table(shares ? "embedder" : "encoder/embedder", sourceVocabSize);
  return [source, shares ? source : table("decoder/embedder", targetVocabSize)];
}

/** Vectors of tokens [batch, time] as [time, batch, width]. */
function embedded(
  embedding: TokenEmbedding,
  ids: tf.Tensor2D,
  lengths: tf.Tensor1D | null,
  pass: Pass,
): tf.Tensor3D {
  const seenPass = atPositions(pass, () => timeMajor(lengths, ids.shape[1]));
  return embedding.embed(tf.transpose(ids), seenPass) as tf.Tensor3D;
}

/** h and c of each cell. */
function pairs(states: readonly tf.Tensor[]): CellStates[] {
  return Array.from({ length: states.length / 2 }, (_, i) => [
    states[2 * i] as tf.Tensor2D,
    states[2 * i + 1] as tf.Tensor2D,
  ]);
}
