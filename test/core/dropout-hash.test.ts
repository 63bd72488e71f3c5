import { describe, expect, it } from "vitest";
import { dropoutHash, dropThreshold, mixBits } from "../../src/core/dropout-hash.ts";

describe("dropoutHash", () => {
  const count = 100_000;
  const kept = (seed: number, rate: number): boolean[] => {
    const mixed = mixBits(seed);
    return Array.from({ length: count }, (_, i) => dropoutHash(mixed, i) >= dropThreshold(rate));
  };
  const share = (mask: boolean[]): number => mask.filter(Boolean).length / mask.length;

  it.each([0.1, 0.5, 0.9])("keeps 1 − %f of the positions", (rate) => {
    for (const seed of [0, 1, 2, -1, 12345]) {
      // Five standard deviations.
      const bound = 5 * Math.sqrt((rate * (1 - rate)) / count);
      expect(Math.abs(share(kept(seed, rate)) - (1 - rate))).toBeLessThan(bound);
    }
  });

  it("draws neighbours, and neighbouring seeds, independently", () => {
    const [a, b] = [kept(7, 0.5), kept(8, 0.5)];
    const agree = (other: (i: number) => boolean | undefined): number =>
      share(a.slice(128).map((v, i) => v === other(i + 128)));
    for (const distance of [1, 2, 3, 25, 64, 128]) {
      expect(Math.abs(agree((i) => a[i - distance]) - 0.5)).toBeLessThan(0.01);
    }
    expect(Math.abs(agree((i) => b[i]) - 0.5)).toBeLessThan(0.01);
  });

  it("maps different words to different words", () => {
    const seen = new Set(Array.from({ length: count }, (_, i) => mixBits(i * 41)));
    expect(seen.size).toBe(count);
  });
});
