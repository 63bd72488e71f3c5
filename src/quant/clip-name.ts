/** The names of variables that hold ranges: that of what they bound, and a suffix. */

/** As in NeurST. */
const CLIP_SUFFIX = "_clip_max";
const SCALE_SUFFIX = "_scale";
const ZERO_POINT_SUFFIX = "_zero_point";

/**
 * Name of a quantizer's clip variable: `…/kernel` → `…/kernel_clip_max`.
 * @param quantizer a quantizer's path, or its last part alone
 */
export function clipName(quantizer: string): string {
  return `${quantizer}${CLIP_SUFFIX}`;
}

/** Name of the variable of an observed range's scale: `…/kernel` → `…/kernel_scale`. */
export function scaleName(quantizer: string): string {
  return `${quantizer}${SCALE_SUFFIX}`;
}

/** Name of the variable of its zero point: `…/kernel` → `…/kernel_zero_point`. */
export function zeroPointName(quantizer: string): string {
  return `${quantizer}${ZERO_POINT_SUFFIX}`;
}

/** True for the name of a clip variable, which is learnt. */
export function isClipName(name: string): boolean {
  return name.endsWith(CLIP_SUFFIX);
}

/** True for the name of a variable that belongs to a quantizer: a clip, a scale or a zero point. */
export function isRangeName(name: string): boolean {
  return isClipName(name) || name.endsWith(SCALE_SUFFIX) || name.endsWith(ZERO_POINT_SUFFIX);
}
