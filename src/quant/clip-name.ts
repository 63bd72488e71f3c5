/** The names of clip variables, as in NeurST: that of what they bound, and a suffix. */

const CLIP_SUFFIX = "_clip_max";

/**
 * Name of a quantizer's clip variable: `…/kernel` → `…/kernel_clip_max`.
 * @param quantizer a quantizer's path, or its last part alone
 */
export function clipName(quantizer: string): string {
  return `${quantizer}${CLIP_SUFFIX}`;
}

/** True for the name of a clip variable. */
export function isClipName(name: string): boolean {
  return name.endsWith(CLIP_SUFFIX);
}
