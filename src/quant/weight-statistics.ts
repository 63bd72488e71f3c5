/** Statistics of weights, from their values: of the whole tensor, or of each output channel. */
import { TrainingError } from "../errors.ts";
import type { TensorStatistics, ValueHistogram } from "../core/tensor-statistics.ts";

/** Cells of the histogram of a whole weight, and of one with few values, such as a channel. */
const CELLS = 2048;
const FEW_CELLS = 512;
const FEW_VALUES = 16384;

/** A weight, row-major. */
export interface WeightValues {
  readonly values: Float32Array;
  readonly shape: readonly number[];
  /** The axis of output channels. */
  readonly channelAxis: number;
  /** Names the weight in messages. */
  readonly where: string;
}

/** Which statistics are made. */
export interface WeightStatisticsOptions {
  /** One record for each channel [default: one for the tensor]. */
  readonly perChannel?: boolean;
  /** Whether a range is to be searched for [default: false]. */
  readonly wantsHistogram?: boolean;
}

/**
 * One record, or one for each channel in turn. Extremes that are averaged are those of channels; the standard
 * deviation is the unbiased one, as a tensor's own statistics are made in PyTorch.
 * @throws {TrainingError} for NaN or an infinity
 */
export function* weightStatistics(
  { values, shape, channelAxis, where }: WeightValues,
  { perChannel = false, wantsHistogram = false }: WeightStatisticsOptions = {},
): Generator<TensorStatistics> {
  if (!values.every(Number.isFinite)) {
    throw new TrainingError(
      `quantization, "${where}": expected finite weights, received NaN or an infinity. ` +
        `Use a checkpoint from before the loss diverged.`,
    );
  }
  const channels = channelsOf(values, shape, channelAxis);
  const options = { shape, wantsHistogram };
  if (!perChannel) {
    // Of channels of one value each, averages of extremes would say nothing.
    yield statisticsOfValues(channels.length === values.length ? [values] : channels, options);
    return;
  }
  for (const channel of channels) yield statisticsOfValues([channel], options);
}

/** The values of each channel. */
function channelsOf(values: Float32Array, shape: readonly number[], axis: number): Float32Array[] {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const count = shape[axis] ?? 1;
  const channels = Array.from({ length: count }, () => new Float32Array(values.length / count));
  const filled = new Int32Array(count);
  let at = 0;
  while (at < values.length) {
    for (let channel = 0; channel < count; channel++) {
      for (let i = 0; i < inner; i++) channels[channel]![filled[channel]!++] = values[at++]!;
    }
  }
  return channels;
}

function statisticsOfValues(
  samples: readonly Float32Array[],
  { shape, wantsHistogram }: { shape: readonly number[]; wantsHistogram: boolean },
): TensorStatistics {
  const extremes = samples.map(extremesOf);
  const min = extremes.reduce((least, [low]) => Math.min(least, low), Infinity);
  const max = extremes.reduce((most, [, high]) => Math.max(most, high), -Infinity);
  const count = samples.reduce((sum, { length }) => sum + length, 0);
  const mean = samples.reduce((sum, sample) => sum + sumOf(sample), 0) / count;
  const { squares, magnitudes } = deviationSums(samples, mean);
  return {
    ...{ min, max, mean },
    avgMin: extremes.reduce((sum, [low]) => sum + low, 0) / samples.length,
    avgMax: extremes.reduce((sum, [, high]) => sum + high, 0) / samples.length,
    std: Math.sqrt(squares / Math.max(count - 1, 1)),
    b: magnitudes / count,
    shape: `(${shape.join(", ")})`,
    totalNumel: count,
    histogram: wantsHistogram ? histogramOf(samples, Math.max(-min, max)) : null,
  };
}

// Plain loops: a model has some 10^8 weights.

function sumOf(sample: Float32Array): number {
  let sum = 0;
  for (const x of sample) sum += x;
  return sum;
}

/** Σ (x − mean)² and Σ |x − mean|. */
function deviationSums(
  samples: readonly Float32Array[],
  mean: number,
): { squares: number; magnitudes: number } {
  let [squares, magnitudes] = [0, 0];
  for (const sample of samples) {
    for (const x of sample) {
      squares += (x - mean) * (x - mean);
      magnitudes += Math.abs(x - mean);
    }
  }
  return { squares, magnitudes };
}

function extremesOf(sample: Float32Array): [min: number, max: number] {
  let [min, max] = [Infinity, -Infinity];
  for (const x of sample) {
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return [min, max];
}

function histogramOf(samples: readonly Float32Array[], largest: number): ValueHistogram {
  const size = samples.reduce((sum, { length }) => sum + length, 0);
  const cells = size < FEW_VALUES ? FEW_CELLS : CELLS;
  const half = cells / 2;
  const width = largest / half;
  const counts = new Float64Array(cells);
  for (const sample of samples) {
    for (const x of sample) {
      const cell = width === 0 ? half : Math.floor(x / width) + half;
      counts[Math.min(Math.max(cell, 0), cells - 1)]!++;
    }
  }
  return { width, counts };
}
