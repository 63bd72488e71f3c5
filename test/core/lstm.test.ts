import { describe, expect, it } from "vitest";
import { floatProduct } from "../../src/core/float-product.ts";
import { sigmoid32, tanh32 } from "../../src/core/gate-activations.ts";
import { lstmGrids, lstmSequence, lstmStep } from "../../src/core/lstm.ts";
import { normals } from "../helpers/numeric.ts";

const f = Math.fround;

/** clamp(rhe(x/s)) of a signed grid, written again. */
function code(x: number, clip: number, bits: number): number {
  const most = 2 ** (bits - 1) - 1;
  const steps = f(x / f(clip / most));
  const floor = Math.floor(steps);
  const isUp = steps - floor > 0.5 || (steps - floor === 0.5 && floor % 2 !== 0);
  return Math.min(Math.max(floor + (isUp ? 1 : 0), -most - 1), most) + 0;
}

const valueOf = (q: number, clip: number, bits: number): number =>
  f(q * f(clip / (2 ** (bits - 1) - 1)));

const CLIPS = Float32Array.of(2, 1.5, 1.25, 2.5, 0.9, 0.4);
const BITS = [8, 7, 6, 5, 16, 8];

describe("lstmStep", () => {
  const units = 3;
  const sums = normals(2 * 4 * units, 1, 1.2);
  const cell = normals(2 * units, 2, 0.5);

  /** The step of one element with every rounding spelled out. */
  function element(row: number, u: number, before: number | null, bits: readonly number[]) {
    const on = (x: number, place: number): number =>
      bits[place] === 0
        ? x
        : valueOf(code(x, CLIPS[place]!, bits[place]!), CLIPS[place]!, bits[place]!);
    const gate = (place: number): number => on(sums[row * 4 * units + place * units + u]!, place);
    const added = f(sigmoid32(gate(0)) * tanh32(gate(2)));
    const raw = before === null ? added : f(f(sigmoid32(gate(1)) * before) + added);
    const next = on(raw, 4);
    return { cell: next, hidden: f(sigmoid32(gate(3)) * tanh32(next)) };
  }

  it.each([BITS, [0, 0, 0, 0, 0, 0], [8, 0, 4, 0, 0, 3]])("rounds where it says: %j", (...bits) => {
    const grids = lstmGrids(CLIPS, bits, "half_even");
    const [hiddenClip, hiddenBits] = [CLIPS[5]!, bits[5]!];
    for (const before of [cell, null]) {
      const states = Array.from({ length: 6 }, (_, at) =>
        element(Math.floor(at / units), at % units, before?.[at] ?? null, bits),
      );
      const cells = states.map((state) => state.cell);
      const codes = states.map(({ hidden }) =>
        hiddenBits === 0 ? hidden : code(hidden, hiddenClip, hiddenBits),
      );
      const values = codes.map((q) => (hiddenBits === 0 ? q : valueOf(q, hiddenClip, hiddenBits)));
      for (const as of ["codes", "values"] as const) {
        const out = { hidden: new Float32Array(6), cell: new Float32Array(6) };
        lstmStep({ sums, cell: before, units }, grids, out, as);
        expect([...out.cell]).toEqual(cells);
        expect([...out.hidden]).toEqual(as === "codes" ? codes : values);
      }
    }
  });

  it("may write the cell in place, and keeps NaN", () => {
    const grids = lstmGrids(CLIPS, BITS, "half_even");
    const expected = { hidden: new Float32Array(6), cell: new Float32Array(6) };
    lstmStep({ sums, cell, units }, grids, expected);
    const inPlace = { hidden: new Float32Array(6), cell: cell.slice() };
    lstmStep({ sums, cell: inPlace.cell, units }, grids, inPlace);
    expect(inPlace).toEqual(expected);
    const broken = sums.slice();
    broken[1] = NaN;
    lstmStep({ sums: broken, cell, units }, grids, inPlace);
    expect([...inPlace.cell].map(Number.isNaN)).toEqual([false, true, false, false, false, false]);
  });

  it("refuses sizes that do not fit", () => {
    const grids = lstmGrids(CLIPS, BITS, "half_even");
    const out = { hidden: new Float32Array(6), cell: new Float32Array(5) };
    expect(() => {
      lstmStep({ sums, cell, units }, grids, out);
    }).toThrow(
      "lstmStep: expected states of 6 elements in rows of 3 for 24 gate sums, received 5, 6, 6.",
    );
  });
});

describe("lstmSequence", () => {
  it.each([false, true])(
    "is step after step of gates + (hidden·kernel + bias), started: %s",
    (isStarted) => {
      const [time, batch, units] = [4, 2, 5];
      const size = batch * units;
      const gates = normals(time * 4 * size, 1);
      const kernel = normals(4 * units * units, 2, 0.4);
      const bias = normals(4 * units, 3);
      const grids = lstmGrids(CLIPS, BITS, "half_even");
      let hidden: Float32Array | null = isStarted ? normals(size, 4, 0.3) : null;
      let cell: Float32Array | null = isStarted ? normals(size, 5, 0.5) : null;
      const states = {
        hidden: new Float32Array(time * size),
        cells: new Float32Array(time * size),
        sums: new Float32Array(time * 4 * size),
      };
      lstmSequence({ gates, kernel, bias, hidden, cell }, { time, batch, units }, grids, states);
      for (let t = 0; t < time; t++) {
        const spec = { m: batch, k: units, n: 4 * units };
        const product: Float32Array | null =
          hidden === null ? null : floatProduct(hidden, kernel, spec);
        const sums = gates.slice(t * 4 * size, (t + 1) * 4 * size).map((x, at) => {
          const b = bias[at % (4 * units)]!;
          return f(x + (product === null ? b : f(product[at]! + b)));
        });
        expect(states.sums.slice(t * 4 * size, (t + 1) * 4 * size)).toEqual(sums);
        const next = { hidden: new Float32Array(size), cell: new Float32Array(size) };
        lstmStep({ sums, cell, units }, grids, next);
        expect(states.hidden.slice(t * size, (t + 1) * size)).toEqual(next.hidden);
        expect(states.cells.slice(t * size, (t + 1) * size)).toEqual(next.cell);
        ({ hidden, cell } = next);
      }
    },
  );
});
