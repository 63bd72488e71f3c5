/** Sinusoid position signals. */

/**
 * sin in the first half of the units, cos in the second: with n = ⌊units/2⌋ and
 * rate_i = exp(−i·ln(10⁴)/(n−1)), element (t, i) is sin(t·rate_i) and (t, n+i) is cos(t·rate_i);
 * a last odd unit is 0. Positions, rates and their products are rounded to float32.
 * @param time number of positions, from 0
 * @param units size of each position's vector
 * @returns float32 [time, units]
 * @see Vaswani et al. 2017, arXiv:1706.03762, section 3.5, in the arrangement of tensor2tensor and
 *   NeurST (neurst/layers/common_layers.py, add_sinusoids_timing_signal). Deviation: n = 1 divides by
 *   1 instead of 0.
 */
export function sinusoidTable(time: number, units: number): Float32Array {
  const f = Math.fround;
  const n = Math.floor(units / 2);
  const increment = f(f(Math.log(1e4)) / Math.max(n - 1, 1));
  const rates = Float32Array.from({ length: n }, (_, i) => Math.exp(f(i * -increment)));
  const table = new Float32Array(time * units);
  for (let t = 0; t < time; t++) {
    for (let i = 0; i < n; i++) {
      const angle = f(t * rates[i]!);
      table[t * units + i] = Math.sin(angle);
      table[t * units + n + i] = Math.cos(angle);
    }
  }
  return table;
}
