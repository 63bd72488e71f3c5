/** Every number of binary16, and what lies between two of them, with the number that is nearest. */

/** Value of 16 bits by the definition: (−1)^s · 2^(e−15) · (1 + f/1024), or f · 2^−24 where e = 0. */
export function float16OfBits(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : 2 ** (exponent - 15) * (1 + fraction / 1024);
  return sign === 1 ? -magnitude : magnitude;
}

/** The float32 next to x > 0, away from zero or towards it. */
function neighbour(x: number, step: 1 | -1): number {
  const floats = Float32Array.of(x);
  const bits = new Int32Array(floats.buffer);
  bits[0]! += step;
  return floats[0]!;
}

/** Inputs, and what rounding must make of them. */
export interface Float16Cases {
  readonly inputs: Float32Array;
  readonly expected: Float32Array;
}

/** All numbers, all midpoints between neighbours, and the float32 on either side of each midpoint. */
export function float16Cases(): Float16Cases {
  const pairs: [number, number][] = [[NaN, NaN]];
  for (let bits = 0; bits <= 0x7c00; bits++) {
    const low = float16OfBits(bits);
    pairs.push([low, low]);
    if (bits === 0x7c00) continue;
    // As if binary16 had an exponent more: from there on an infinity is nearer.
    const next = bits === 0x7bff ? 65536 : float16OfBits(bits + 1);
    const high = float16OfBits(bits + 1);
    const middle = (low + next) / 2;
    pairs.push([middle, bits % 2 === 0 ? low : high]);
    pairs.push([neighbour(middle, -1), low], [neighbour(middle, 1), high]);
  }
  for (const beyond of [65536, 1e5, 2 ** 30, 2 ** 31, 3.4e38]) pairs.push([beyond, Infinity]);
  for (const tiny of [1e-45, 1e-38, 2 ** -26]) pairs.push([tiny, 0]);
  const both = pairs.flatMap(([x, y]) => [
    [x, y],
    [-x, -y],
  ]);
  return {
    inputs: Float32Array.from(both, ([x]) => x!),
    expected: Float32Array.from(both, ([, y]) => y!),
  };
}
