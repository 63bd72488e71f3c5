/**
 * Quantized number types: which integer codes a value may take.
 *
 * With b bits and t = 2^(b−1):
 *
 * | kind    | codes        | scale             |
 * |---------|--------------|-------------------|
 * | weight  | −t … t−1     | fround(c/(t−1))   |
 * | act     | −t … t−1     | fround(c/(t−1))   |
 * | relu    | 0 … 2^b−1    | fround(c/(2^b−1)) |
 * | softmax | 0 … 2^b−1    | 2^−b              |
 *
 * The zero point of all four kinds is 0. c is the clip, a positive float32.
 */
import { ConfigError } from "../errors.ts";

/** What a quantizer serves; decides its codes and how its scale follows from the clip. */
export type QuantKind = "weight" | "act" | "relu" | "softmax";

/**
 * How a value between two codes is rounded.
 * `half_even`: to the nearest code, ties to the even one (IEEE 754; ONNX, XNNPACK, PyTorch).
 * `half_up`: TensorFlow's FakeQuantWithMinMaxVars, floor(v + ½) on its nudged grid.
 */
export type Rounding = "half_even" | "half_up";

/**
 * Which codes a range is spread over. `symmetric`: −t … t−1 around an exact zero, scale c/(t−1);
 * `symmetric_restricted`: −(t−1) … t−1; `asymmetric_signed` and `asymmetric_unsigned`: −t … t−1 and
 * 0 … 2t−1 with a zero point, for ranges that are not centred. t = 2^(bits−1).
 */
export const QUANT_MODES = [
  ...(["symmetric", "symmetric_restricted"] as const),
  ...(["asymmetric_signed", "asymmetric_unsigned"] as const),
] as const;
/** One of {@link QUANT_MODES}. */
export type QuantMode = (typeof QUANT_MODES)[number];

/** A range of integer codes, both ends included. */
export interface QType {
  /** 2 to 16. */
  readonly bits: number;
  readonly qmin: number;
  readonly qmax: number;
}

/**
 * The codes of a kind at a bit width.
 * @throws {ConfigError} if bits is not an integer from 2 to 16
 */
export function qtypeOf(kind: QuantKind, bits: number): QType {
  if (!Number.isInteger(bits) || bits < 2 || bits > 16) {
    throw new ConfigError(
      `bits of a ${kind} quantizer: expected an integer from 2 to 16, received ${bits}. ` +
        `Use 8 unless fewer bits are wanted.`,
    );
  }
  const half = 2 ** (bits - 1);
  return kind === "weight" || kind === "act"
    ? { bits, qmin: -half, qmax: half - 1 }
    : { bits, qmin: 0, qmax: 2 * half - 1 };
}

/** Clips below this count as zero: all codes are 0, all values 0, the exported scale is 1. */
export const SMALLEST_CLIP = 2 ** -100;
