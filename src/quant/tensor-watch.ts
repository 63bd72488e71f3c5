/** Adds tensors of a running model to statistics: each is read once, whatever sees it. */
import * as tf from "@tensorflow/tfjs";
import { cellWidth, HISTOGRAM_CELLS } from "../core/histogram.ts";
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
  readonly shape: readonly number[];
  readonly rows: RealRows;
  readonly where: string;
  readonly targets: RunningStatistics[];
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
    const before = this.#find(x.dataId, rows);
    if (before !== undefined) {
      if (before.summary === null) before.targets.push(to);
      else to.add(before.summary);
      return;
    }
    const { dataId, shape } = x;
    const seen: Seen = { dataId, shape, rows, where, targets: [to], summary: null, waiting: null };
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
    ).map((values, i) => rangesOf(values, all[i]!));
    const histograms = tensors.map((x, i) => {
      const { width, mean: center } = ranges[i]!;
      return valueHistogram(x, masks[i]!, { cells: HISTOGRAM_CELLS, width, center });
    });
    const counts = read(histograms.map((histogram) => histogram.counts));
    const squares = read(histograms.map((histogram) => histogram.squares));
    all.forEach((seen, i) => {
      const [high, low] = squares[i] as unknown as [number, number];
      const { rows, shape, targets } = seen;
      const sizes = { shape, count: rows.count, samples: rows.realSamples };
      seen.summary = { ...ranges[i]!, ...sizes, squares: high + low, counts: counts[i]! };
      for (const target of targets) target.add(seen.summary);
    });
  });
}

type Ranges = Omit<TensorSummary, "shape" | "count" | "samples" | "squares" | "counts">;

/** @param values minima and maxima of samples, and the mean in two parts */
function rangesOf(values: ArrayLike<number>, { rows, where }: Seen): Ranges {
  let [min, max, sumMin, sumMax] = [Infinity, -Infinity, 0, 0];
  const { samples } = rows;
  for (let sample = 0; sample < samples; sample++) {
    const [least, most] = [values[sample]!, values[samples + sample]!];
    // A sample of padding alone.
    if (least === Infinity && most === -Infinity) continue;
    if (!Number.isFinite(least) || !Number.isFinite(most)) {
      throw notFinite(where, Number.isFinite(least) ? most : least);
    }
    min = Math.min(min, least);
    max = Math.max(max, most);
    sumMin += least;
    sumMax += most;
  }
  const mean = values[2 * samples]! + values[2 * samples + 1]!;
  const magnitude = min > max ? 0 : Math.max(-min, max);
  return { min, max, sumMin, sumMax, mean, width: cellWidth(magnitude, HISTOGRAM_CELLS) };
}

function notFinite(where: string, value: number): TrainingError {
  return new TrainingError(
    `calibration, "${where}": expected finite values, received ${value}. ` +
      `Check the weights and the text.`,
  );
}

/** The values of tensors, read together. */
function read(tensors: readonly tf.Tensor1D[]): ArrayLike<number>[] {
  if (tensors.length === 1) return [tensors[0]!.dataSync<"float32">()];
  const values = tf.concat1d([...tensors]).dataSync<"float32">();
  let end = 0;
  return tensors.map(({ size }) => values.subarray(end, (end += size)));
}
