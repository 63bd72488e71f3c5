import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { exp32, log32 } from "../../src/core/exp.ts";

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Distance between neighbouring float32 numbers around x. */
function ulpOf(x: number): number {
  float[0] = x;
  bits[0]! &= 0x7f800000;
  return float[0] * 2 ** -23;
}

describe("exp32", () => {
  it("is within 1 ulp of Math.exp from −87 to 88", () => {
    let worst = 0;
    for (let i = 0; i <= 400_000; i++) {
      const x = Math.fround(-87 + (i / 400_000) * 175);
      const exact = Math.exp(x);
      worst = Math.max(worst, Math.abs(exp32(x) - exact) / ulpOf(exact));
    }
    expect(worst).toBeLessThan(1);
  });

  it("is exact at 0 and cuts before results would be subnormal", () => {
    expect(exp32(0)).toBe(1);
    expect(exp32(-87)).toBeGreaterThan(2 ** -126);
    expect(exp32(Math.fround(-87 - 2 ** -17))).toBe(0);
    expect([exp32(-Infinity), exp32(Infinity), exp32(NaN)]).toEqual([0, Infinity, NaN]);
    expect(exp32(88)).toBeLessThan(3.4e38);
  });

  it("gives the bits of its definition", () => {
    // Kernels follow these bits; the same steps in numpy float32 give the same words.
    const rows = [-0.1, -1, -3.7, -20, -86.9, 2.5];
    const words = rows.map((x) => {
      float[0] = exp32(Math.fround(x));
      return (bits[0]! >>> 0).toString(16);
    });
    expect(words).toEqual(["3f67a36d", "3ebc5ab2", "3cca88fe", "310da433", "c60f89", "4142eb7f"]);
  });
});

it("exp32 equals the same steps in numpy float32 from −87 to 88, bit for bit", () => {
  // scripts/oracles/polynomials.py
  const y = Float32Array.from({ length: 175 * 2048 + 1 }, (_, i) => exp32(i / 2048 - 87));
  const hash = createHash("sha256").update(new Uint8Array(y.buffer)).digest("hex");
  expect(hash).toBe("8f335589e7f25c2b92e5e4dfe17215ba7826ca7d5c10023ebbd03d9b6a231cd2");
});

describe("log32", () => {
  it("is within 1 ulp of Math.log outside [½, 2] and 1e-7 inside", () => {
    let worst = 0;
    let inside = 0;
    for (let word = 0x00800000; word < 0x7f800000; word += 9973) {
      bits[0] = word;
      const x = float[0]!;
      const exact = Math.log(x);
      const error = Math.abs(log32(x) - exact);
      if (x >= 0.5 && x <= 2) inside = Math.max(inside, error);
      else worst = Math.max(worst, error / ulpOf(exact));
    }
    expect(worst).toBeLessThan(1);
    expect(inside).toBeLessThan(1e-7);
  });

  it("has the limits of a logarithm", () => {
    expect([log32(1), log32(0), log32(2 ** -130), log32(Infinity)]).toEqual([
      0,
      -Infinity,
      -Infinity,
      Infinity,
    ]);
    expect([log32(-1), log32(NaN)]).toEqual([NaN, NaN]);
  });
});
