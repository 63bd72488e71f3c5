/** Adds tensors of a running model to statistics: each is looked at once, whatever sees it. */
import * as tf from "@tensorflow/tfjs";
import { cellsFor, cellWidth, HISTOGRAM_CELLS } from "../core/histogram.ts";
import { TrainingError } from "../errors.ts";
import { type ObservedTensor, observeTensor } from "../ops/observe.ts";
import type { Positions } from "./pass.ts";
import { realRows, type RealRows } from "./real-rows.ts";
import type { RunningStatistics, TensorSummary } from "./running-statistics.ts";

/** Tensors whose summaries are read together: reading costs more than making one. */
const READ_TOGETHER = 64;

interface Seen {
  readonly dataId: object;
  readonly rows: RealRows;
  readonly where: string;
  readonly targets: { readonly to: RunningStatistics; readonly shape: readonly number[] }[];
  /** Kept until it is read. */
  readonly observed: ObservedTensor;
}

/** Sees tensors, whose summaries wait to be read together; end each pass by {@link flush}. */
export class TensorWatch {
  #waiting: Seen[] = [];

  /**
   * Adds the real values of a tensor to statistics, now or later.
   * @param x float32; may be disposed afterwards
   * @param where names the tensor in messages
   * @throws {TrainingError} for NaN or an infinity, here or in {@link flush}
   */
  see(x: tf.Tensor, positions: Positions | null, to: RunningStatistics, where: string): void {
    if (x.size === 0) return;
    const { dataId, shape } = x;
    const rows = realRows(shape, positions, where);
    if (rows.count === 0) return;
    const before = this.#waiting.findLast(
      (seen) => seen.dataId === dataId && isSame(seen.rows, rows),
    );
    if (before !== undefined) {
      before.targets.push({ to, shape });
      return;
    }
    const mask = rows.mask === null ? null : tf.tensor1d(rows.mask);
    const observed = observeTensor(x, { samples: rows.samples, mask }, HISTOGRAM_CELLS);
    mask?.dispose();
    tf.keep(observed.counts);
    tf.keep(observed.ranges);
    this.#waiting.push({ dataId, rows, where, targets: [{ to, shape }], observed });
    if (this.#waiting.length >= READ_TOGETHER) this.flush();
  }

  /** Reads what waits, and forgets the tensors of the pass. */
  flush(): void {
    try {
      addAll(this.#waiting);
    } finally {
      this.discard();
    }
  }

  /** Forgets the tensors of a pass that failed. */
  discard(): void {
    for (const { observed } of this.#waiting) tf.dispose([observed.counts, observed.ranges]);
    this.#waiting = [];
  }
}

/** Whether the values of one tensor lie the same way, in whatever shape. */
function isSame(a: RealRows, b: RealRows): boolean {
  return a.mask === b.mask && a.samples === b.samples && a.count === b.count;
}

function addAll(all: readonly Seen[]): void {
  if (all.length === 0) return;
  const ranges = read(all.map(({ observed }) => observed.ranges)) as Float32Array[];
  const counts = read(all.map(({ observed }) => observed.counts)) as Int32Array[];
  all.forEach((seen, i) => {
    const summary = summaryOf(seen, ranges[i]!, counts[i]!);
    for (const { to, shape } of seen.targets) to.add(summary, shape);
  });
}

/** @param ranges see {@link ObservedTensor} */
function summaryOf({ rows, where }: Seen, ranges: Float32Array, counts: Int32Array): TensorSummary {
  const [min, max] = ranges as unknown as [number, number];
  for (const end of [min, max]) {
    if (!Number.isFinite(end)) throw notFinite(where, end);
  }
  const width = cellWidth(Math.max(-min, max), HISTOGRAM_CELLS);
  const { begin, cells } = cellsFor({ min, max }, width, HISTOGRAM_CELLS);
  const first = begin + HISTOGRAM_CELLS / 2;
  return {
    ...{ count: rows.count, samples: rows.realSamples, min, max },
    sumMin: ranges[2]! + ranges[3]!,
    sumMax: ranges[4]! + ranges[5]!,
    mean: ranges[6]! + ranges[7]!,
    squares: ranges[8]! + ranges[9]!,
    histogram: { counts: counts.subarray(first, first + cells), begin, width },
  };
}

function notFinite(where: string, value: number): TrainingError {
  return new TrainingError(
    `calibration, "${where}": expected finite values, received ${value}. ` +
      `Check the weights and the text.`,
  );
}

/** The values of tensors, read together. */
function read(tensors: readonly tf.Tensor1D[]): (Float32Array | Int32Array)[] {
  if (tensors.length === 1) return [tensors[0]!.dataSync<"float32" | "int32">()];
  const all = tf.concat1d([...tensors]);
  // No tidy, which would look at every value that it returns.
  const values = all.dataSync<"float32" | "int32">();
  all.dispose();
  let end = 0;
  return tensors.map(({ size }) => values.subarray(end, (end += size)));
}
