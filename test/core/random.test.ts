import { describe, expect, it } from "vitest";
import {
  fillRandomUniform,
  philox4x32,
  randomUniformAt,
  RandomStream,
} from "../../src/core/random.ts";

const words = (hex: string) =>
  Uint32Array.from(hex.trim().split(/\s+/), (word) => Number.parseInt(word, 16));

describe("philox4x32", () => {
  // Random123's kat_vectors, "philox4x32 10": counter, key, result.
  it.each([
    "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
    "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
  ])("gives the known answer %#", (row) => {
    const all = words(row);
    const out = new Uint32Array(4);
    philox4x32(all.subarray(0, 4), all.subarray(4, 6), out);
    expect([...out]).toEqual([...all.subarray(6)]);
  });
});

describe("uniform numbers", () => {
  it("are a pure function of seed, stream and index", () => {
    const all = fillRandomUniform(new Float32Array(50), 7, 3);
    const tail = fillRandomUniform(new Float32Array(20), 7, 3, 30);
    expect([...tail]).toEqual([...all.subarray(30)]);
    expect(randomUniformAt(7, 3, 13)).toBe(all[13]);
    const far = 2 ** 40 + 5;
    expect(randomUniformAt(7, 3, far)).toBe(fillRandomUniform(new Float32Array(1), 7, 3, far)[0]);
  });

  it("differ by seed and stream, beyond 32 bits too", () => {
    const keys = [
      [1, 0],
      [2, 0],
      [1, 1],
      [1 + 2 ** 32, 0],
      [1, 2 ** 32],
    ] as const;
    expect(new Set(keys.map(([seed, stream]) => randomUniformAt(seed, stream, 0))).size).toBe(5);
  });

  it("lie in [0, 1) with the mean and variance of a uniform distribution", () => {
    const x = fillRandomUniform(new Float32Array(100_000), 1, 1);
    expect(x.every((v) => v >= 0 && v < 1)).toBe(true);
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const variance = x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.005);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
  });

  it("refuse seeds that are not whole numbers", () => {
    expect(() => randomUniformAt(1.5, 0, 0)).toThrow(
      "random seed: expected a whole number from 0 to 2^53 − 1, received 1.5.",
    );
    expect(() => new RandomStream({ seed: 1, stream: -1 })).toThrow("random stream");
    expect(() => new RandomStream({ seed: 1, stream: 0, index: NaN })).toThrow("random index");
  });
});

describe("RandomStream", () => {
  it("continues from a state that went through JSON", () => {
    const stream = new RandomStream({ seed: 11, stream: 2 });
    stream.permutation(13);
    stream.normal();
    const state = JSON.parse(JSON.stringify(stream.state)) as typeof stream.state;
    const next = [stream.uniform(), stream.normal(), ...stream.permutation(9)];
    const resumed = new RandomStream(state);
    expect([resumed.uniform(), resumed.normal(), ...resumed.permutation(9)]).toEqual(next);
  });

  it("permutes: every number once, every order about equally often", () => {
    const stream = new RandomStream({ seed: 5, stream: 0 });
    expect([...stream.permutation(50)].sort((a, b) => a - b)).toEqual([...Array(50).keys()]);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const key = stream.permutation(3).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("draws whole numbers evenly where 2^32 is no multiple of the count", () => {
    const stream = new RandomStream({ seed: 5, stream: 2 });
    const draws = Array.from({ length: 6000 }, () => stream.integer(3 * 2 ** 30));
    const low = draws.filter((v) => v < 2 ** 30).length;
    expect(Math.abs(low - 2000)).toBeLessThan(200);
  });

  it("draws standard normal numbers", () => {
    const stream = new RandomStream({ seed: 5, stream: 1 });
    const x = Array.from({ length: 50_000 }, () => stream.normal());
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const variance = x.reduce((a, v) => a + v * v, 0) / x.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
  });
});
