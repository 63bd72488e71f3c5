/**
 * The arithmetic against TensorFlow's FakeQuantWithMinMaxVars (half_up) and numpy (half_even), over
 * a million seeded values.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { codeOf, gridOf, onGrid } from "../../src/core/affine.ts";
import type { QuantKind } from "../../src/core/qtype.ts";
import { fakeQuantArray, fakeQuantGradient, quantizeArray } from "../../src/core/quantize.ts";
import { fillRandomUniform } from "../../src/core/random.ts";
import { rangeGrid } from "../../src/core/range-grid.ts";

interface Case {
  kind: QuantKind;
  bits: number;
  clip: number;
  stream: number;
  count: number;
  x_sha256: string;
  half_up: {
    values_sha256: string;
    dx_sha256: string;
    dmin: number;
    dmax: number;
    dclip: number;
    first_values: number[];
  };
  half_even: { codes_sha256: string; first_codes: number[] };
}

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/core/fake-quant.json", import.meta.url), "utf8"),
) as {
  seed: number;
  total: number;
  cases: Case[];
  ranges: { min: number; max: number; bits: number; x: number[]; y: number[] }[];
};

const f = Math.fround;
const sha256 = (array: Float32Array | Int32Array) =>
  createHash("sha256").update(new Uint8Array(array.buffer)).digest("hex");

/** The inputs as scripts/oracles/fake_quant.py makes them. */
function inputsOf({ kind, bits, clip, stream, count }: Case) {
  const signed = kind === "weight" || kind === "act";
  const qmax = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const top = clip > 0 ? f(clip) : 1;
  const half = f(f(top / qmax) * 0.5);
  const x = fillRandomUniform(new Float32Array(count), golden.seed, 2 * stream);
  for (let i = 0; i < count; i++) {
    x[i] = f(f(x[i]! - 0.5) * 5) * top;
    if (i % 2 === 0) continue;
    const steps = f(x[i]! / half);
    const down = Math.floor(steps);
    const tie = steps - down === 0.5;
    x[i] = (tie ? 2 * Math.round(steps / 2) : Math.round(steps)) * half;
  }
  const g = fillRandomUniform(new Float32Array(count), golden.seed, 2 * stream + 1);
  for (let i = 0; i < count; i++) g[i] = g[i]! - 0.25;
  return { x, g, layout: { outer: 1, channels: 1, inner: count } };
}

it("covers a million values, bits 2 to 8 and every kind", () => {
  expect(golden.total).toBeGreaterThanOrEqual(1_000_000);
  expect(new Set(golden.cases.map((c) => c.kind)).size).toBe(4);
  for (let bits = 2; bits <= 8; bits++) {
    expect(golden.cases.filter((c) => c.bits === bits).length).toBeGreaterThanOrEqual(5);
  }
});

describe.each(golden.cases)("$kind, $bits bits, clip $clip", (row) => {
  const { x, g, layout } = inputsOf(row);

  it("makes the oracle's inputs", () => {
    expect(sha256(x)).toBe(row.x_sha256);
  });

  it("equals TensorFlow's values in half_up", () => {
    const grid = gridOf(row.kind, row.bits, row.clip, "half_up");
    const y = fakeQuantArray(x, new Float32Array(x.length), [grid], layout);
    expect([...y.subarray(0, 240)]).toEqual(row.half_up.first_values.map(f));
    expect(sha256(y)).toBe(row.half_up.values_sha256);
    const codes = quantizeArray(x, new Int32Array(x.length), [grid], layout);
    expect(codes.every((code, i) => f(code * grid.scale) === y[i])).toBe(true);
  });

  it("equals TensorFlow's gradients in half_up", () => {
    const grid = gridOf(row.kind, row.bits, row.clip, "half_up");
    const dx = new Float32Array(x.length);
    const [dClip] = fakeQuantGradient(x, g, dx, [grid], { layout, compat: "neurst" });
    expect(sha256(dx)).toBe(row.half_up.dx_sha256);
    const { dmin, dmax, dclip } = row.half_up;
    if (row.kind === "softmax") return;
    const factor = row.kind === "relu" ? 0 : 2 ** (row.bits - 1) / (2 ** (row.bits - 1) - 1);
    const tolerance = 1e-6 * (Math.abs(dmax) + factor * Math.abs(dmin));
    expect(Math.abs(dClip! - (dmax - factor * dmin))).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(dClip! - dclip)).toBeLessThanOrEqual(tolerance);
  });

  it("equals numpy's codes in half_even", () => {
    const grid = gridOf(row.kind, row.bits, row.clip, "half_even");
    const codes = quantizeArray(x, new Int32Array(x.length), [grid], layout);
    expect([...codes.subarray(0, 240)]).toEqual(row.half_even.first_codes);
    expect(sha256(codes)).toBe(row.half_even.codes_sha256);
    for (let i = 0; i < 500; i++) expect(codeOf(x[i]!, grid)).toBe(codes[i]);
  });
});

describe.each(golden.ranges)(
  "asymmetric range $min … $max, $bits bits",
  ({ min, max, bits, x, y }) => {
    it("equals TensorFlow's op", () => {
      const spec = { kind: "act", bits, mode: "asymmetric_unsigned", compat: "none" } as const;
      const grid = rangeGrid({ ...spec, scaleApproxMultBits: null }, { lo: min, hi: max });
      // TensorFlow clips to nothing where the range is empty; a scale of 1 keeps whole numbers.
      if (min === max) {
        expect(grid).toMatchObject({ scale: 1, zeroPoint: 0 });
        return;
      }
      const values = x.map((v) => onGrid(f(v), grid));
      expect(values).toEqual(y.map(f));
    });
  },
);
