import { describe, expect, it } from "vitest";
import { add, addBias, multiplyScalar, relu } from "../../src/core/elementwise.ts";
import { assertShape, sizeOf } from "../../src/core/shape.ts";

describe("elementwise operations", () => {
  const f = Math.fround;
  const x = Float32Array.of(0.1, -0.2, 1e8, -0);
  const out = () => new Float32Array(4);

  it("round once for each element", () => {
    const sums = [0.1 + f(0.1), -0.2, 1e8, 1].map(f);
    sums[0] = f(f(0.1) + f(0.1));
    expect([...add(x, Float32Array.of(0.1, 0, 1, 1), out())]).toEqual(sums);
    expect([...addBias(x, Float32Array.of(1, 3), out())]).toEqual([
      f(f(0.1) + 1),
      f(f(-0.2) + 3),
      f(1e8 + 1),
      3,
    ]);
    expect([...multiplyScalar(x, 0.3, out())]).toEqual([...x].map((v) => f(v * f(0.3))));
  });

  it("relu gives 0 below zero, never −0, and keeps NaN", () => {
    expect([...relu(Float32Array.of(-1, -0, 2, NaN), out())]).toEqual([0, 0, 2, NaN]);
  });

  it("refuse lengths that do not fit", () => {
    expect(() => add(x, new Float32Array(3), out())).toThrow(
      "add: expected arrays of one length, received 4, 3, 4.",
    );
    expect(() => addBias(x, new Float32Array(3), out())).toThrow("received 4, 4, 6");
  });
});

describe("assertShape", () => {
  it("accepts what fits the pattern", () => {
    expect(() => {
      assertShape("x", [2, 9, 512], ["batch", "*", 512]);
      assertShape("x", [3, 4, 3], ["n", "m", "n"]);
      assertShape("x", [], []);
    }).not.toThrow();
  });

  it.each([
    { shape: [2, 9, 511], pattern: ["batch", "*", 512] },
    { shape: [2, 512], pattern: ["batch", "*", 512] },
    { shape: [2, 3, 512, 1], pattern: ["batch", "*", 512] },
    { shape: [3, 4], pattern: ["n", "n"] },
  ])("refuses $shape for $pattern", ({ shape, pattern }) => {
    expect(() => {
      assertShape("attention query", shape, pattern);
    }).toThrow(
      `attention query: expected shape [${pattern.join(", ")}], received [${shape.join(", ")}].`,
    );
  });

  it("counts elements", () => {
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([2, 0])]).toEqual([1, 6, 0]);
  });
});
