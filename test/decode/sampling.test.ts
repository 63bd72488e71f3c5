import { describe, expect, it } from "vitest";
import { sampleOutputs } from "../../src/decode/sampling.ts";
import { CheckpointError, ConfigError } from "../../src/errors.ts";
import { SyntheticScorer } from "./synthetic-scorer.ts";

const special = { unk: 4, bos: 5, eos: 6 };
/** Probabilities of the tokens 0 … 6 in every step. */
const probabilities = [0.1, 0.4, 0.2, 0.05, 0.1, 0.05, 0.1];

function fixed(): SyntheticScorer {
  const scorer = new SyntheticScorer({ vocabSize: 7, seed: 1, levels: 2, eos: 6 });
  scorer.logProbsOf = () => Float32Array.from(probabilities, Math.log);
  return scorer;
}

/** Relative frequencies of first tokens. */
function frequencies(options: object, count = 4000): number[] {
  const one = { special, maximumDecodeLength: 1, sampleNum: count, ...options };
  const [samples] = sampleOutputs(fixed(), [Int32Array.of(6)], one);
  const counts = new Array<number>(7).fill(0);
  for (const { tokens } of samples!) counts[tokens[0]!]! += 1 / count;
  return counts;
}

function expectNear(found: number[], masses: number[]): void {
  const total = masses.reduce((a, b) => a + b);
  found.forEach((share, token) => {
    expect(Math.abs(share - masses[token]! / total)).toBeLessThan(0.03);
    if (masses[token] === 0) expect(share).toBe(0);
  });
}

describe("sampleOutputs", () => {
  it("draws by probability, UNK masked", () => {
    expectNear(frequencies({}), [0.1, 0.4, 0.2, 0.05, 0, 0.05, 0.1]);
    expectNear(frequencies({ enableUnk: true }), probabilities);
  });

  it("keeps the k most probable tokens", () => {
    expectNear(frequencies({ samplingTopK: 2 }), [0, 0.4, 0.2, 0, 0, 0, 0]);
  });

  it("keeps ties with the last kept token", () => {
    expectNear(frequencies({ samplingTopK: 3 }), [0.1, 0.4, 0.2, 0, 0, 0, 0.1]);
  });

  it("keeps the smallest set that reaches the mass", () => {
    // 0.4 + 0.2 of 0.9 is 0.67 of the mass.
    expectNear(frequencies({ samplingTopP: 0.5 }), [0, 0.4, 0.2, 0, 0, 0, 0]);
    expectNear(frequencies({ samplingTopP: 0.4 }), [0, 0.4, 0, 0, 0, 0, 0]);
  });

  it("sharpens with a low temperature", () => {
    const masses = probabilities.map((p, token) => (token === 4 ? 0 : p ** 2));
    expectNear(frequencies({ temperature: 0.5 }), masses);
  });

  it("masks EOS before the minimum length and stops at EOS", () => {
    const options = { special, minimumDecodeLength: 5, maximumDecodeLength: 40, sampleNum: 50 };
    const [samples] = sampleOutputs(fixed(), [Int32Array.of(1, 6)], options);
    for (const { tokens, finished } of samples!) {
      expect(tokens.indexOf(6)).toBe(finished ? tokens.length - 1 : -1);
      if (finished) expect(tokens.length).toBeGreaterThanOrEqual(5);
    }
  });

  it("repeats itself with a seed and differs with another", () => {
    const draw = (seed: number) => sampleOutputs(fixed(), [Int32Array.of(6)], { special, seed });
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("sums the model's own log-probabilities and frees its states", () => {
    const scorer = fixed();
    const options = { special, samplingTopK: 2, temperature: 3, maximumDecodeLength: 4 };
    const sample = sampleOutputs(scorer, [Int32Array.of(6)], options)[0]![0]!;
    const sum = [...sample.tokens].reduce((total, t) => total + Math.log(probabilities[t]!), 0);
    expect(sample.logProb).toBeCloseTo(sum, 5);
    expect(scorer.liveStates).toBe(0);
  });

  it("refuses NaN scores, and frees its states", () => {
    const broken = fixed();
    broken.logProbsOf = () => new Float32Array(7).fill(NaN);
    expect(() => sampleOutputs(broken, [Int32Array.of(6)], { special })).toThrow(CheckpointError);
    expect(broken.liveStates).toBe(0);
  });

  it("refuses top-k with top-p", () => {
    const options = { special, samplingTopK: 2, samplingTopP: 0.5 };
    expect(() => sampleOutputs(fixed(), [Int32Array.of(6)], options)).toThrow(ConfigError);
  });
});
