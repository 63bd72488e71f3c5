/**
 * GNMT (MLPerf's variant) in plain loops and float64, without padding between sentences: what faster
 * code is compared with. Takes weights under the names of PyTorch's state_dict.
 * @see mlcommons/training, retired_benchmarks/gnmt/pytorch/seq2seq/models
 */

/** A weight, row-major. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** h and c of one LSTM layer. */
interface LstmState {
  readonly h: Float64Array;
  readonly c: Float64Array;
}

/** Encoder output of one sentence. */
export interface PlainContext {
  /** [source][hidden] */
  readonly values: readonly Float64Array[];
  /** Wk · value of each real source token. */
  readonly keys: readonly Float64Array[];
}

/** States of the decoder's LSTM layers, the attended one first. */
export type PlainDecoderState = readonly LstmState[];

/** The model: its weights and sizes. */
export class PlainGnmt {
  readonly hidden: number;
  readonly vocab: number;
  readonly #weights: ReadonlyMap<string, PlainTensor>;
  readonly #encoderLayers: number;
  readonly #decoderLayers: number;
  readonly #scoreVector: Float64Array;

  constructor(weights: ReadonlyMap<string, PlainTensor>) {
    this.#weights = weights;
    [this.vocab, this.hidden] = this.#of("encoder.embedder.weight").shape as [number, number];
    this.#encoderLayers = this.#countLayers("encoder.rnn_layers");
    this.#decoderLayers = this.#countLayers("decoder.rnn_layers");
    const att = Float64Array.from(this.#of("decoder.att_rnn.attn.linear_att").data);
    const scalar = this.#of("decoder.att_rnn.attn.normalize_scalar").data[0]!;
    const norm = Math.hypot(...att);
    this.#scoreVector = att.map((value) => (scalar * value) / norm);
  }

  /** Encodes one sentence, padded with zeros after its first layer up to `time` tokens. */
  encode(source: ArrayLike<number>, time = source.length): PlainContext {
    const embedded = Array.from(source, (id) => this.#row("encoder.embedder.weight", id));
    const forward = this.#runLstm("encoder.rnn_layers.0", embedded, "_l0");
    const backward = this.#runLstm("encoder.rnn_layers.0", embedded.toReversed(), "_l0_reverse");
    backward.reverse();
    const both = forward.map((x, t) => concat(x, backward[t]!));
    const padding = Array.from({ length: time - source.length }, () => zeros(2 * this.hidden));
    let values = this.#runLstm("encoder.rnn_layers.1", [...both, ...padding], "_l0");
    for (let layer = 2; layer < this.#encoderLayers; layer++) {
      const next = this.#runLstm(`encoder.rnn_layers.${layer}`, values, "_l0");
      values = next.map((x, t) => add(x, values[t]!));
    }
    const keys = values
      .slice(0, source.length)
      .map((value) => this.#product("decoder.att_rnn.attn.linear_k.weight", value));
    return { values, keys };
  }

  /** The decoder's state before its first token: zeros, whatever the source. */
  start(): PlainDecoderState {
    return Array.from({ length: this.#decoderLayers + 1 }, () => this.#zeroState());
  }

  /** Logits [vocab] after one more token, and its attention to the source's real tokens. */
  step(context: PlainContext, state: PlainDecoderState, id: number) {
    const name = this.#weights.has("decoder.embedder.weight") ? "decoder" : "encoder";
    const embedded = this.#row(`${name}.embedder.weight`, id);
    const states = [this.#cell("decoder.att_rnn.rnn", embedded, state[0]!, "_l0")];
    const query = states[0]!.h;
    const attention = this.#attention(query, context);
    const attended = zeros(this.hidden);
    attention.forEach((weight, s) => {
      context.values[s]!.forEach((value, i) => (attended[i]! += weight * value));
    });
    let x = query;
    for (let layer = 0; layer < this.#decoderLayers; layer++) {
      const input = concat(x, attended);
      const next = this.#cell(`decoder.rnn_layers.${layer}`, input, state[layer + 1]!, "_l0");
      states.push(next);
      x = layer === 0 ? next.h : add(next.h, x);
    }
    const logits = add(
      this.#product("decoder.classifier.classifier.weight", x),
      this.#of("decoder.classifier.classifier.bias").data,
    );
    return { logits, attention, state: states as PlainDecoderState };
  }

  /** softmax over s of Σ_h v_h · tanh(q + k_s + bias)_h. */
  #attention(query: Float64Array, { keys }: PlainContext): Float64Array {
    const bias = this.#of("decoder.att_rnn.attn.normalize_bias").data;
    const q = add(this.#product("decoder.att_rnn.attn.linear_q.weight", query), bias);
    const scores = keys.map((key) => dot(this.#scoreVector, add(q, key).map(Math.tanh)));
    const highest = Math.max(...scores);
    const powers = Float64Array.from(scores, (score) => Math.exp(score - highest));
    const sum = powers.reduce((total, power) => total + power, 0);
    return powers.map((power) => power / sum);
  }

  #runLstm(name: string, inputs: readonly Float64Array[], suffix: string): Float64Array[] {
    let state = this.#zeroState();
    return inputs.map((input) => (state = this.#cell(name, input, state, suffix)).h);
  }

  /** One LSTM step; gates i, f, g, o on the first axis of the weights. */
  #cell(name: string, input: Float64Array, { h, c }: LstmState, suffix: string): LstmState {
    const fromInput = this.#product(`${name}.weight_ih${suffix}`, input);
    const fromState = this.#product(`${name}.weight_hh${suffix}`, h);
    const biasInput = this.#of(`${name}.bias_ih${suffix}`).data;
    const gates = add(add(fromInput, biasInput), fromState);
    const sums = add(gates, this.#of(`${name}.bias_hh${suffix}`).data);
    const gate = (at: number, i: number) => sums[at * this.hidden + i]!;
    const nextC = c.map(
      (old, i) => sigmoid(gate(1, i)) * old + sigmoid(gate(0, i)) * Math.tanh(gate(2, i)),
    );
    return { h: nextC.map((value, i) => sigmoid(gate(3, i)) * Math.tanh(value)), c: nextC };
  }

  #zeroState(): LstmState {
    return { h: zeros(this.hidden), c: zeros(this.hidden) };
  }

  /** Matrix [n, m] times vector [m]. */
  #product(name: string, x: Float64Array): Float64Array {
    const { shape, data } = this.#of(name);
    const result = zeros(shape[0]!);
    for (let row = 0; row < result.length; row++) {
      let sum = 0;
      for (let i = 0; i < x.length; i++) sum += data[row * x.length + i]! * x[i]!;
      result[row] = sum;
    }
    return result;
  }

  #row(name: string, row: number): Float64Array {
    const { data } = this.#of(name);
    return Float64Array.from({ length: this.hidden }, (_, i) => data[row * this.hidden + i]!);
  }

  #countLayers(prefix: string): number {
    let count = 0;
    while (this.#weights.has(`${prefix}.${count}.weight_ih_l0`)) count++;
    return count;
  }

  #of(name: string): PlainTensor {
    const tensor = this.#weights.get(name);
    if (tensor === undefined) throw new Error(`no weight ${name}`);
    return tensor;
  }
}

function zeros(length: number): Float64Array {
  return new Float64Array(length);
}

function concat(a: Float64Array, b: Float64Array): Float64Array {
  return Float64Array.from([...a, ...b]);
}

function add(a: Float64Array, b: ArrayLike<number>): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
