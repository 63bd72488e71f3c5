import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sinusoidTable } from "../../src/core/position.ts";

const { rows } = JSON.parse(
  readFileSync(new URL("../fixtures/core/positions.json", import.meta.url), "utf8"),
) as { rows: { units: number; positions: number[]; values: number[][] }[] };

describe.each(rows)("sinusoids of $units units", ({ units, positions, values }) => {
  it("equal NeurST's formula in TensorFlow", () => {
    const table = sinusoidTable(Math.max(...positions) + 1, units);
    positions.forEach((t, i) => {
      const row = table.subarray(t * units, (t + 1) * units);
      row.forEach((v, j) => {
        // TensorFlow's float32 exp may differ by an ulp, which the angle multiplies by t.
        expect(Math.abs(v - values[i]![j]!)).toBeLessThan(1e-7 * (t + 2));
      });
    });
  });
});

it("gives one unit or two a finite signal", () => {
  expect([...sinusoidTable(2, 2)]).toEqual([
    0,
    1,
    Math.fround(Math.sin(1)),
    Math.fround(Math.cos(1)),
  ]);
  expect([...sinusoidTable(2, 1)]).toEqual([0, 0]);
});
