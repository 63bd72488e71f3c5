/** Adds tensors of a running model to statistics: each is read once, whatever sees it. */
import * as tf from "@tensorflow/tfjs";
import { cellsFor, cellWidth, HISTOGRAM_CELLS } from "../core/histogram.ts";
import { TrainingError } from "../errors.ts";
import { sampleRanges, valueHistogram } from "../ops/observe.ts";
import type { Positions } from "./pass.ts";
import { realRows, type RealRows } from "./real-rows.ts";
import type { RunningStatistics, TensorSummary } from "./running-statistics.ts";

/** Backends whose memory is that of JavaScript: reading a tensor costs a copy and no wait. */
const NEAR_BACKENDS: readonly string[] = ["cpu", "wasm"];
/** How many summaries are remembered for others who see the same tensor. */
const REMEMBERED = 32;
/** Tensors, and bytes of them, that elsewhere wait to be read together. */
const MOST_WAITING = 256;
const MOST_WAITING_BYTES = 2 ** 27;

interface Seen {
  readonly dataId: object;
  readonly rows: RealRows;
  readonly where: string;
  readonly targets: { readonly to: RunningStatistics; readonly shape: readonly number[] }[];
  /** Null until the tensor is read. */
  summary: TensorSummary | null;
  /** A copy that waits to be read, which {@link TensorWatch} disposes. */
  waiting: tf.Tensor | null;
}

/**
 * Sees tensors. On backends that compute elsewhere they wait, so that many are read at once; end each
 * pass by {@link flush}.
 */
export class TensorWatch {
  readonly #isNear = NEAR_BACKENDS.includes(tf.getBackend());
  #recent: Seen[] = [];
  #waitingBytes = 0;

  /**
   * Adds the real values of a tensor to statistics.
   * @param x float32; may be disposed afterwards
   * @param where names the tensor in messages
   * @throws {TrainingError} for NaN or an infinity, here or in {@link flush}
   */
  see(x: tf.Tensor, positions: Positions | null, to: RunningStatistics, where: string): void {
    if (x.size === 0) return;
    const rows = realRows(x.shape, positions, where);
    if (rows.count === 0) return;
    const before = this.#find(x.dataId, rows);
    if (before !== undefined) {
      const target = { to, shape: x.shape };
      if (before.summary === null) before.targets.push(target);
      else to.add(before.summary, x.shape);
      return;
    }
    const { dataId, shape } = x;
    const targets = [{ to, shape }];
    const seen: Seen = { dataId, rows, where, targets, summary: null, waiting: null };
    this.#recent.push(seen);
    if (this.#isNear) {
      addAll([seen], [x]);
      if (this.#recent.length > REMEMBERED) this.#recent.shift();
      return;
    }
    seen.waiting = tf.keep(tf.clone(x));
    this.#waitingBytes += 4 * x.size;
    const isFull = this.#recent.length >= MOST_WAITING || this.#waitingBytes >= MOST_WAITING_BYTES;
    if (isFull) this.flush();
  }

  /** Reads what waits, and forgets the tensors of the pass. */
  flush(): void {
    const waiting = this.#recent.filter((seen) => seen.waiting !== null);
    try {
      addAll(
        waiting,
        waiting.map((seen) => seen.waiting!),
      );
    } finally {
      this.discard();
    }
  }

  /** Forgets the tensors of a pass that failed. */
  discard(): void {
    for (const { waiting } of this.#recent) waiting?.dispose();
    this.#recent = [];
    this.#waitingBytes = 0;
  }

  #find(dataId: object, rows: RealRows): Seen | undefined {
    return this.#recent.findLast((seen) => seen.dataId === dataId && isSame(seen.rows, rows));
  }
}

/** Whether the values of one tensor lie the same way, in whatever shape. */
function isSame(a: RealRows, b: RealRows): boolean {
  return a.mask === b.mask && a.samples === b.samples && a.count === b.count;
}

/** Reads tensors, all ranges at once and then all histograms. */
function addAll(all: readonly Seen[], tensors: readonly tf.Tensor[]): void {
  if (all.length === 0) return;
  tf.tidy(() => {
    const masks = all.map(({ rows }) => (rows.mask === null ? null : tf.tensor1d(rows.mask)));
    const ranges = read(
      tensors.map((x, i) => sampleRanges(x, { samples: all[i]!.rows.samples, mask: masks[i]! })),
    ).map((values, i) => rangesOf(values as Float32Array, all[i]!.where));
    const counts = read(
      tensors.map((x, i) => {
        const { width, cells } = ranges[i]!;
        return valueHistogram(x, masks[i]!, { width, ...cells });
      }),
    );
    all.forEach((seen, i) => {
      const { rows, targets } = seen;
      const { width, cells, ...moments } = ranges[i]!;
      const histogram = { counts: counts[i] as Int32Array, begin: cells.begin, width };
      seen.summary = { ...moments, count: rows.count, samples: rows.realSamples, histogram };
      for (const { to, shape } of targets) to.add(seen.summary, shape);
    });
  });
}

/** What a tensor's ranges tell, and the cells that it needs. */
interface Ranges extends Omit<TensorSummary, "count" | "samples" | "histogram"> {
  readonly width: number;
  readonly cells: ReturnType<typeof cellsFor>;
}

/** @param values of {@link sampleRanges} */
function rangesOf(values: Float32Array, where: string): Ranges {
  const [min, max] = values as unknown as [number, number];
  for (const end of [min, max]) {
    if (!Number.isFinite(end)) throw notFinite(where, end);
  }
  const width = cellWidth(Math.max(-min, max), HISTOGRAM_CELLS);
  return {
    ...{ min, max, width, cells: cellsFor({ min, max }, width, HISTOGRAM_CELLS) },
    sumMin: values[2]! + values[3]!,
    sumMax: values[4]! + values[5]!,
    mean: values[6]! + values[7]!,
    squares: values[8]! + values[9]!,
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
  const values = tf.concat1d([...tensors]).dataSync<"float32" | "int32">();
  let end = 0;
  return tensors.map(({ size }) => values.subarray(end, (end += size)));
}
