/** Token and position vectors from integer tables. */
import { add, multiplyScalar } from "../../core/elementwise.ts";
import { sinusoidTable } from "../../core/position.ts";
import { DataError } from "../../errors.ts";
import type { Int8Weight } from "../../formats/int8-model.ts";
import type { EmbeddingWeights } from "./transformer-weights.ts";

/** Looks vectors up; keeps the sinusoids that it has computed. */
export class Embedding {
  readonly #weights: EmbeddingWeights;
  readonly #dim: number;
  #sinusoids: Float32Array = new Float32Array(0);

  constructor(weights: EmbeddingWeights) {
    this.#weights = weights;
    this.#dim = weights.table.shape[1]!;
  }

  /**
   * For each token: its codes times their scale, · √dim before sinusoids as a separate rounding,
   * + the vector of its position.
   * @param position of each token
   * @returns float32 [tokens, dim]
   * @throws {DataError} for ids outside the vocabulary or positions outside the table
   */
  lookUp(ids: Int32Array, position: (index: number) => number): Float32Array {
    const { table, timing } = this.#weights;
    const vectors = rowsOf(table, ids, "token id");
    if (timing === null) return vectors;
    if (timing === "sinusoids") multiplyScalar(vectors, Math.sqrt(this.#dim), vectors);
    return add(vectors, this.#positions(ids.map((_, i) => position(i))), vectors);
  }

  #positions(positions: Int32Array): Float32Array {
    const table = this.#weights.positions;
    if (table !== null) return rowsOf(table, positions, "position");
    const dim = this.#dim;
    const count = positions.reduce((a, b) => Math.max(a, b), 0) + 1;
    if (this.#sinusoids.length < count * dim) this.#sinusoids = sinusoidTable(2 * count, dim);
    const rows = new Float32Array(positions.length * dim);
    positions.forEach((position, i) => {
      rows.set(this.#sinusoids.subarray(position * dim, (position + 1) * dim), i * dim);
    });
    return rows;
  }
}

/** fround((code − zero point) · scale) of chosen rows. @param what they are, in messages */
export function rowsOf(table: Int8Weight, rows: Int32Array, what: string): Float32Array {
  const [count, dim] = table.shape as readonly [number, number];
  const { codes, scale, zeroPoint, record } = table;
  const values = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => {
    if (row < 0 || row >= count) {
      throw new DataError(
        `reference executor: expected a ${what} from 0 to ${count - 1}, received ${row}. ` +
          `Encode the text with the export's own vocabulary.`,
      );
    }
    for (let j = 0; j < dim; j++) {
      const channel = record.axis === null ? 0 : record.axis === 0 ? row : j;
      values[i * dim + j] = (codes[row * dim + j]! - zeroPoint[channel]!) * scale[channel]!;
    }
  });
  return values;
}
