/**
 * A pre-norm Transformer with one shared embedding, evaluated in float64 with fake quantization:
 * values are rounded to their grid and multiplied as values. Plain on purpose, and written without
 * the executor's or the layers' code: it shares only the file formats and the position signal.
 *
 * It checks another executor operation by operation: every activation is compared with the
 * other's codes, and then the other's codes are used. Otherwise one code that falls to the other side
 * of a tie would change a quarter of the codes after it.
 */
import { sinusoidTable } from "../../src/core/position.ts";
import type { Int8Model } from "../../src/formats/int8-model.ts";

type Matrix = number[][];

const ROOT = "SequenceToSequence";
const EMBEDDING = `${ROOT}/shared_symbol_modality_posenc_wrapper/shared_symbol_modality/shared`;

export class Float64Transformer {
  compared = 0;
  /** Largest distance of a value from the other's code, in steps; 0.5 where all codes are nearest. */
  largestDeviation = 0;
  readonly #model: Int8Model;
  readonly #heads: number;
  /** The other executor's codes of one sentence, by quantizer; each is used once. */
  readonly #codes: Map<string, ArrayLike<number>>;

  constructor(model: Int8Model, codes: Map<string, ArrayLike<number>>) {
    this.#model = model;
    this.#codes = codes;
    this.#heads = model.record.model.params["encoder.num_attention_heads"] as number;
  }

  logits(source: Int32Array, targetInput: Int32Array): Matrix {
    const memory = this.#stack("TransformerEncoder", source, null);
    const output = this.#stack("TransformerDecoder", targetInput, memory);
    const table = this.#matrix(`${EMBEDDING}/weights`);
    return addBias(times(output, transpose(table)), this.#vector(`${EMBEDDING}/bias`));
  }

  #stack(name: string, ids: Int32Array, memory: Matrix | null): Matrix {
    const params = this.#model.record.model.params;
    const stack = memory === null ? "encoder" : "decoder";
    let x = this.#embed(ids);
    for (let i = 0; i < (params[`${stack}.num_layers`] as number); i++) {
      const layer = `${ROOT}/${name}/layer_${i}`;
      const self = `${layer}/self_attention_prepost_wrapper`;
      const y = this.#norm(x, `${self}/ln`);
      const qkv = this.#dense(y, `${self}/self_attention/qkv_transform`, "output");
      const [q, k, v] = [0, 1, 2].map((part) => columns(qkv, part, 3)) as [Matrix, Matrix, Matrix];
      x = plus(x, this.#attend(`${self}/self_attention`, [q, k, v], memory !== null));
      if (memory !== null) {
        const cross = `${layer}/encdec_attention_prepost_wrapper`;
        const z = this.#norm(x, `${cross}/ln`);
        const queries = this.#dense(z, `${cross}/encdec_attention/q_transform`, "output");
        const kv = this.#dense(memory, `${cross}/encdec_attention/kv_transform`, "output");
        const operands: [Matrix, Matrix, Matrix] = [queries, columns(kv, 0, 2), columns(kv, 1, 2)];
        x = plus(x, this.#attend(`${cross}/encdec_attention`, operands, false));
      }
      const ffn = `${layer}/ffn_prepost_wrapper`;
      const hidden = this.#dense(this.#norm(x, `${ffn}/ln`), `${ffn}/ffn/dense1`, null);
      const relu = hidden.map((row) => row.map((value) => Math.max(value, 0)));
      const rounded = this.#round(relu, `${ffn}/ffn/dense1_activ`);
      x = plus(x, this.#dense(rounded, `${ffn}/ffn/dense2`, null));
    }
    return this.#norm(x, `${ROOT}/${name}/output_ln`);
  }

  #embed(ids: Int32Array): Matrix {
    const table = this.#matrix(`${EMBEDDING}/weights`);
    const dim = table[0]!.length;
    const positions = sinusoidTable(ids.length, dim);
    return Array.from(ids, (id, t) =>
      table[id]!.map((value, j) => value * Math.sqrt(dim) + positions[t * dim + j]!),
    );
  }

  #attend(path: string, [q, k, v]: [Matrix, Matrix, Matrix], causal: boolean): Matrix {
    const heads = Array.from({ length: this.#heads }, (_, h) => {
      const [qh, kh, vh] = [q, k, v].map((m) => columns(m, h, this.#heads));
      const scores = times(qh!, transpose(kh!));
      const depth = qh![0]!.length;
      return { scores: scores.map((row) => row.map((s) => s / Math.sqrt(depth))), vh: vh! };
    });
    const probabilities = heads.flatMap(({ scores }) =>
      scores.map((row, i) => softmax(row, causal ? i + 1 : row.length)),
    );
    const rounded = this.#round(probabilities, `${path}/softmax`);
    const contexts = heads.map(({ vh }, h) =>
      times(rounded.slice(h * q.length, (h + 1) * q.length), vh),
    );
    const joined = q.map((_, i) => contexts.flatMap((context) => context[i]!));
    return this.#dense(this.#round(joined, `${path}/output`), `${path}/output_transform`, "output");
  }

  #norm(x: Matrix, path: string): Matrix {
    const [gamma, beta] = [this.#vector(`${path}/gamma`), this.#vector(`${path}/beta`)];
    const y = x.map((row) => {
      const mean = sum(row) / row.length;
      const variance = sum(row.map((value) => (value - mean) ** 2)) / row.length;
      return row.map((value, j) => {
        return ((value - mean) / Math.sqrt(variance + 1e-6)) * gamma[j]! + beta[j]!;
      });
    });
    return this.#round(y, path);
  }

  #dense(x: Matrix, path: string, quantizer: string | null): Matrix {
    const y = addBias(times(x, this.#matrix(`${path}/kernel`)), this.#vector(`${path}/bias`));
    return quantizer === null ? y : this.#round(y, `${path}/${quantizer}`);
  }

  /** Compares codes of x with the other executor's; returns the values of the latter. */
  #round(x: Matrix, path: string): Matrix {
    const { scale, qmin, qmax } = this.#model.record.activations[path]!;
    const others = this.#codes.get(path)!;
    this.#codes.delete(path);
    let at = 0;
    const values = x.map((row) =>
      row.map((value) => {
        const other = others[at++]!;
        const deviation = Math.abs(Math.min(Math.max(value / scale, qmin), qmax) - other);
        this.largestDeviation = Math.max(this.largestDeviation, deviation);
        this.compared++;
        return other * scale;
      }),
    );
    if (at !== others.length) throw new Error(`${path}: ${others.length} codes instead of ${at}`);
    return values;
  }

  #matrix(name: string): Matrix {
    const { codes, shape, scale } = this.#model.weights.get(name)!;
    const [rows, width] = shape as [number, number];
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: width }, (_x, j) => codes[i * width + j]! * scale[0]!),
    );
  }

  #vector(name: string): Float32Array {
    return this.#model.floats.get(name)!.data;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function softmax(row: readonly number[], visible: number): number[] {
  const exponentials = row.map((s, j) => (j < visible ? Math.exp(s) : 0));
  const total = sum(exponentials);
  return exponentials.map((e) => e / total);
}

function transpose(m: Matrix): Matrix {
  return m[0]!.map((_, j) => m.map((row) => row[j]!));
}

function columns(m: Matrix, part: number, parts: number): Matrix {
  const width = m[0]!.length / parts;
  return m.map((row) => row.slice(part * width, (part + 1) * width));
}

function times(a: Matrix, b: Matrix): Matrix {
  return a.map((row) => {
    const y = new Array<number>(b[0]!.length).fill(0);
    row.forEach((value, k) => {
      const other = b[k]!;
      for (let j = 0; j < y.length; j++) y[j]! += value * other[j]!;
    });
    return y;
  });
}

function plus(a: Matrix, b: Matrix): Matrix {
  return a.map((row, i) => row.map((value, j) => value + b[i]![j]!));
}

function addBias(x: Matrix, bias: Float32Array): Matrix {
  return x.map((row) => row.map((value, j) => value + bias[j]!));
}
