/**
 * Statistics of tensors as calibration collects them, in the layout of IntelLabs/distiller's
 * `acts_quantization_stats.yaml` (commit d859fc85, quantization/range_linear.py, data_loggers).
 */

/** How often values occur: cell i of n counts from (i − n/2)·width to (i + 1 − n/2)·width. */
export interface ValueHistogram {
  /** Real size of a cell, a power of two times a float32; 0 where every value was 0. */
  readonly width: number;
  /** An even number of cells, half of them for negative values. */
  readonly counts: Float64Array;
}

/** What was seen of one tensor, padding left out. All in the tensor's own units. */
export interface TensorStatistics {
  readonly min: number;
  readonly max: number;
  /** Mean over samples of the smallest and of the largest value in each sample. */
  readonly avgMin: number;
  readonly avgMax: number;
  readonly mean: number;
  /** Population standard deviation; null where the source has none. */
  readonly std: number | null;
  /** Mean absolute deviation from the mean (Laplace's b); null where the source has none. */
  readonly b: number | null;
  /** Shape of the first tensor seen, as text such as `(64, 160)`. */
  readonly shape: string;
  /** Values counted; null where the source does not say. */
  readonly totalNumel: number | null;
  /** Null for statistics of another tool. */
  readonly histogram: ValueHistogram | null;
}

/** Statistics of one operation. */
export interface OperationStatistics {
  /** By number of the input. */
  readonly inputs: ReadonlyMap<number, TensorStatistics>;
  readonly output: TensorStatistics | null;
}

/** Statistics of a model by short path of the operation, such as `decoder/att_rnn/attn/tanh`. */
export type ModelStatistics = ReadonlyMap<string, OperationStatistics>;

/**
 * The statistics that tell the range of a quantizer: of the input of an operation for
 * `<operation>/input`, of its result for `<operation>/output` and `<operation>`.
 * @param path short path of the quantizer
 * @returns null where there are none
 */
export function statisticsOf(statistics: ModelStatistics, path: string): TensorStatistics | null {
  const [, operation, side] = /^(.*)\/(input|output)$/.exec(path) ?? [null, path, "output"];
  const found = statistics.get(operation) ?? null;
  const of = side === "input" ? found?.inputs.get(0) : found?.output;
  return of ?? (side === "output" ? (statistics.get(path)?.output ?? null) : null);
}
