import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { allocateBits, averageBits, packedBytes } from "../../src/ptq/weight-bits.ts";

const size = (elements: number) => ({ elements, scaleBytes: 8 });

describe("allocateBits", () => {
  const sizes = new Map([
    ["a", size(1000)],
    ["b", size(1000)],
    ["c", size(500)],
  ]);
  const costs = new Map([
    ["a", 1],
    ["b", 16],
    ["c", 1],
  ]);

  it("gives 8 bits where there is room", () => {
    expect([...allocateBits(sizes, costs, {}).values()]).toEqual([8, 8, 8]);
  });

  it("finds the least total cost of all allocations that keep to the average", () => {
    const bits = allocateBits(sizes, costs, { averageBits: 5 });
    expect(averageBits(sizes, bits)).toBeLessThanOrEqual(5);
    const total = (of: ReadonlyMap<string, number>) =>
      [...costs].reduce((sum, [path, cost]) => sum + cost * 4 ** (4 - of.get(path)!), 0);
    let least = Infinity;
    const widths = [2, 3, 4, 5, 6, 7, 8];
    for (const a of widths) {
      for (const b of widths) {
        for (const c of widths) {
          const all = new Map(Object.entries({ a, b, c }));
          if (averageBits(sizes, all) <= 5) least = Math.min(least, total(all));
        }
      }
    }
    expect(total(bits)).toBeLessThanOrEqual(1.5 * least);
    expect(bits.get("b")).toBeGreaterThan(bits.get("a")!);
  });

  it("keeps to bytes, scales included, codes packed", () => {
    const bits = allocateBits(sizes, costs, { maxBytes: 1274 });
    expect(packedBytes(sizes, bits)).toBeLessThanOrEqual(1274);
    expect(
      packedBytes(
        sizes,
        new Map([
          ["a", 3],
          ["b", 8],
          ["c", 5],
        ]),
      ),
    ).toBe(375 + 1000 + 313 + 24);
  });

  it("refuses a budget below 2 bits", () => {
    const tooFew = () => allocateBits(sizes, costs, { averageBits: 1.5 });
    expect(tooFew).toThrow(ConfigError);
    expect(tooFew).toThrow(/at least 649 bytes and 2 bits a weight, received average_bits 1.5/);
    // What stays in float counts too, and the message says what was asked for.
    const noRoom = () => allocateBits(sizes, costs, { maxBytes: 1000, floatBytes: 400 });
    expect(noRoom).toThrow(/at least 1049 bytes and 2 bits a weight, received max_bytes 1000/);
  });
});
