/** How the range of a quantizer follows from the statistics of its tensor. */
import type { RangeSpec, ValueRange } from "../core/range-grid.ts";
import { ConfigError } from "../errors.ts";
import { clipFactor } from "./clip-factors.ts";
import { type ClipMethod, followsDistiller } from "./config.ts";
import { Distribution } from "./distribution.ts";
import { isCentred, RANGE_SEARCHES } from "./range-search.ts";
import type { TensorStatistics } from "../core/tensor-statistics.ts";

/** What a range is chosen by. */
export interface RangeChoice {
  readonly method: ClipMethod;
  /** The grid that the range is for. */
  readonly spec: RangeSpec;
  /** What n_std needs: deviations on each side of the mean. */
  readonly nStds: number | null;
  /** Whether gauss and laplace count on values of one sign. */
  readonly halfRange: boolean;
  /** Names the tensor in messages. */
  readonly where: string;
}

/**
 * The range that a method chooses, in the tensor's units:
 *
 * | method  | range                                                                              |
 * |---------|------------------------------------------------------------------------------------|
 * | none    | [min, max]                                                                         |
 * | avg     | [avgMin, avgMax]                                                                   |
 * | n_std   | [max(min, mean − N·std), min(max, mean + N·std)]                                   |
 * | gauss   | α = std · factor of the bits: ±(\|mean\| + α) where the grid is centred, else from |
 * |         | max(avgMin, mean − α) on 2α (half range: α) wide                                   |
 * | laplace | the same with α = b · factor                                                       |
 * | percentile, mse, kl | see {@link RANGE_SEARCHES}                                             |
 *
 * Ranges of gauss and laplace end where the values end, unless the grid follows Distiller, where they
 * may be wider. The relu kind begins at 0.
 *
 * @throws {ConfigError} where the statistics lack what the method needs
 * @see IntelLabs/distiller d859fc85, quantization/range_linear.py and q_utils.py
 */
export function chooseRange(statistics: TensorStatistics, choice: RangeChoice): ValueRange {
  const { lo, hi } = rangeBy(statistics, choice);
  return choice.spec.kind === "relu" ? { lo: 0, hi: Math.max(hi, 0) } : { lo, hi };
}

function rangeBy(statistics: TensorStatistics, choice: RangeChoice): ValueRange {
  const { min, max, avgMin, avgMax, mean } = statistics;
  switch (choice.method) {
    case "none":
      return { lo: min, hi: max };
    case "avg":
      return { lo: avgMin, hi: avgMax };
    case "n_std": {
      const reach = deviations(choice) * required(statistics, "std", choice);
      return { lo: Math.max(min, mean - reach), hi: Math.min(max, mean + reach) };
    }
    case "gauss":
      return clipped(statistics, choice, required(statistics, "std", choice));
    case "laplace":
      return clipped(statistics, choice, required(statistics, "b", choice));
    case "percentile":
    case "mse":
    case "kl": {
      const histogram = required(statistics, "histogram", choice);
      const extremes = { lo: min, hi: max };
      // Where every value is 0 there is nothing to search.
      if (histogram.width === 0 || min === max) return extremes;
      const distribution = new Distribution(histogram);
      return RANGE_SEARCHES[choice.method]({ extremes, distribution, spec: choice.spec });
    }
  }
}

/** The range of ACIQ. @param deviation that of the values */
function clipped(
  { min, max, avgMin, mean }: TensorStatistics,
  { method, spec, halfRange }: RangeChoice,
  deviation: number,
): ValueRange {
  const alpha = deviation * clipFactor(method as "gauss" | "laplace", spec.bits, halfRange);
  const isCapped = !followsDistiller(spec.compat);
  if (isCentred(spec) || spec.kind === "relu") {
    const reach = Math.abs(mean) + alpha;
    const clip = isCapped ? Math.min(reach, Math.max(-min, max)) : reach;
    return { lo: -clip, hi: clip };
  }
  const lo = Math.max(avgMin, mean - alpha);
  const hi = lo + (halfRange ? alpha : 2 * alpha);
  return isCapped ? { lo: Math.max(lo, min), hi: Math.min(hi, max) } : { lo, hi };
}

function deviations({ nStds, where }: RangeChoice): number {
  if (nStds !== null) return nStds;
  throw new ConfigError(
    `${where}: expected quant_clip_n_stds with the clip method n_std, received none. ` +
      "Give the number of standard deviations to keep.",
  );
}

const MISSING = {
  std: { name: "a standard deviation", others: "none, avg" },
  b: { name: "the mean absolute deviation b", others: "none, avg, n_std, gauss" },
  histogram: { name: "a histogram", others: "none, avg, n_std, gauss, laplace" },
} as const;

function required<K extends keyof typeof MISSING>(
  statistics: TensorStatistics,
  key: K,
  { method, where }: RangeChoice,
): NonNullable<TensorStatistics[K]> {
  const value = statistics[key];
  if (value !== null) return value;
  const { name, others } = MISSING[key];
  throw new ConfigError(
    `${where}: expected statistics with ${name} for the clip method ${method}, received statistics ` +
      `without it. Collect them with "tfjs-qat calibrate" and keep both of its files, or set ` +
      `quant_act_clip to one of ${others}.`,
  );
}
