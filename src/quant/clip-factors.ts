/** Clips of ACIQ: the width at which clipping and rounding cost equally much, in deviations. */
import { ConfigError } from "../errors.ts";

/**
 * By bits, from 1. To 8 bits the table of the reference implementation; from 9 on the root of
 * 2α/(3·4ⁿ) = 4·(φ(α) − α·Q(α)), Q the normal tail: where the derivative of the expected squared
 * error of a standard normal value is zero.
 * @see Banner et al. 2019 (ACIQ), arXiv:1810.05723; IntelLabs/distiller d859fc85, q_utils.py
 */
const GAUSS = [
  ...[1.24, 1.71, 2.15, 2.55, 2.93, 3.28, 3.61, 3.92],
  ...[4.22, 4.49, 4.76, 5.01, 5.26, 5.49, 5.72, 5.94],
];
/** Of values of one sign: a half of the range needs no codes, which is one more bit. */
const GAUSS_HALF = [
  ...[1.71, 2.15, 2.55, 2.93, 3.28, 3.61, 3.92, 4.2],
  ...[4.49, 4.76, 5.01, 5.26, 5.49, 5.72, 5.94, 6.15],
];
/** The same for Laplace's distribution: from 9 bits on the root of 2α/(3·4ⁿ) = 2·exp(−α). */
const LAPLACE = [
  ...[1.86, 2.83, 3.89, 5.03, 6.2, 7.41, 8.64, 9.89],
  ...[11.16, 12.44, 13.73, 15.02, 16.33, 17.64, 18.95, 20.27],
];
const LAPLACE_HALF = [
  ...[2.83, 3.89, 5.02, 6.2, 7.41, 8.64, 9.89, 11.16],
  ...[12.44, 13.73, 15.02, 16.33, 17.64, 18.95, 20.27, 21.59],
];

const TABLES = {
  gauss: { full: GAUSS, half: GAUSS_HALF },
  laplace: { full: LAPLACE, half: LAPLACE_HALF },
} as const;

/**
 * The factor α by which a standard deviation (gauss) or a mean absolute deviation (laplace) is
 * multiplied to give half of the range.
 * @param halfRange true for values of one sign
 * @throws {ConfigError} if bits is not an integer from 1 to 16
 */
export function clipFactor(method: keyof typeof TABLES, bits: number, halfRange: boolean): number {
  const factor = TABLES[method][halfRange ? "half" : "full"][bits - 1];
  if (factor !== undefined) return factor;
  throw new ConfigError(
    `quant_act_clip ${method}: expected 1 to 16 bits, received ${bits}. Use another clip method.`,
  );
}
