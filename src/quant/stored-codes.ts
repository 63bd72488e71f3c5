/** Codes of a weight as files hold them. */
import { channelLayout } from "../core/quantize.ts";
import type { StaticQuantizer } from "./quantizers.ts";

/**
 * Centred codes plus their zero points: int8, or uint8 where none is negative.
 * @param centred row-major, of a weight of this shape
 * @param zeroPoint one, or one for each channel along the quantizer's axis
 */
export function storedCodes(
  centred: ArrayLike<number>,
  { axis, stored }: StaticQuantizer,
  shape: readonly number[],
  zeroPoint: Int32Array,
): Int8Array | Uint8Array {
  const { channels, inner } = channelLayout(shape, axis);
  const codes = stored.qmin < 0 ? new Int8Array(centred.length) : new Uint8Array(centred.length);
  for (let i = 0; i < codes.length; i++) {
    codes[i] = centred[i]! + zeroPoint[Math.floor(i / inner) % channels]!;
  }
  return codes;
}
