import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { logSoftmax } from "../../src/core/softmax.ts";
import type { RowScoring } from "../../src/core/top-candidates.ts";
import { topCandidates } from "../../src/ops/top-candidates.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";

const f = Math.fround;

interface Candidate {
  readonly token: number;
  readonly logProb: number;
  readonly score: number;
}

/** Every token scored and sorted: what the operation must agree with. */
function slowTop(logProbs: Float32Array, row: number, s: RowScoring, size: number): Candidate[] {
  const classes = logProbs.length / s.accumulated.length;
  const all = Array.from({ length: classes }, (_, token): Candidate => {
    const logProb = f(logProbs[row * classes + token]! + s.accumulated[row]!);
    return { token, logProb, score: f(logProb * s.factor) };
  });
  const open = all.filter(({ token }) => token !== s.maskedA && token !== s.maskedB);
  const broken = open.find(({ score }) => Number.isNaN(score));
  if (broken !== undefined) return [broken];
  // Subtraction would make NaN of two infinities.
  const order = (a: Candidate, b: Candidate): number =>
    a.score > b.score ? -1 : a.score < b.score ? 1 : a.token - b.token;
  return open.sort(order).slice(0, size);
}

function runTop(logits: Float32Array, scoring: RowScoring, size: number): Candidate[][] {
  const rows = scoring.accumulated.length;
  return tf.tidy(() => {
    const x = tf.tensor2d(logits, [rows, logits.length / rows]);
    const [tokens, logProbs, scores] = topCandidates(x, scoring, size).map((t) => t.dataSync());
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: size }, (_i, i) => row * size + i)
        .filter((at) => tokens![at]! >= 0)
        .map((at) => ({ token: tokens![at]!, logProb: logProbs![at]!, score: scores![at]! })),
    );
  });
}

function scoringOf(rows: number, random: RandomStream, masked: [number, number]): RowScoring {
  return {
    accumulated: Float32Array.from({ length: rows }, () => -5 * random.uniform()),
    ...{ factor: f(0.7311), maskedA: masked[0], maskedB: masked[1] },
  };
}

function logProbsOf(logits: Float32Array, rows: number): Float32Array {
  return logSoftmax(logits, new Float32Array(logits.length), rows, logits.length / rows);
}

const SIZES = [
  { rows: 1, classes: 4139, size: 4 },
  { rows: 7, classes: 37, size: 4 },
  { rows: 3, classes: 64, size: 8 },
  { rows: 5, classes: 6, size: 9 },
  { rows: 2, classes: 1, size: 2 },
  { rows: 33, classes: 18, size: 1 },
  { rows: 4, classes: 3, size: 3 },
];
/** Levels of the logits; few make ties common. */
const CASES = SIZES.flatMap((s) => [1, 2, 5, 1e6].map((levels) => ({ ...s, levels })));

describeVariants("topCandidates", ({ sums }) => {
  it.each(CASES)("is what sorting all scores gives: %o", ({ rows, classes, size, levels }) => {
    const random = new RandomStream({ seed: classes, stream: levels });
    const logits = Float32Array.from({ length: rows * classes }, () => {
      return (8 * random.integer(levels)) / levels;
    });
    for (const masked of [
      [-1, -1],
      [classes - 1, -1],
      [0, classes - 2],
    ] as [number, number][]) {
      const scoring = scoringOf(rows, random, masked);
      const received = runTop(logits, scoring, size);
      const logProbs = logProbsOf(logits, rows);
      for (let row = 0; row < rows; row++) {
        const expected = slowTop(logProbs, row, scoring, size);
        if (sums === "exact" || levels < 10) {
          expect(received[row]!.map(({ token }) => token)).toEqual(expected.map((c) => c.token));
        }
        if (sums === "exact") expect(received[row]).toEqual(expected);
        received[row]!.forEach(({ score }, i) => {
          expect(score).toBeCloseTo(expected[i]!.score, 4);
        });
      }
    }
  });

  it("puts the first NaN that is not masked before everything", () => {
    const logits = new Float32Array(2 * 21).fill(1);
    logits[21 + 9] = NaN;
    const random = new RandomStream({ seed: 1, stream: 1 });
    const received = runTop(logits, scoringOf(2, random, [0, 1]), 3);
    expect(received[0]!.map(({ token }) => token)).toEqual([2, 3, 4]);
    expect(received[1]).toEqual([{ token: 2, logProb: NaN, score: NaN }]);
  });

  it("orders infinities", () => {
    const logits = new Float32Array(19).fill(-Infinity);
    logits[17] = 3;
    logits[11] = 2;
    const random = new RandomStream({ seed: 1, stream: 1 });
    const scoring = scoringOf(1, random, [0, -1]);
    expect(runTop(logits, scoring, 5)[0]!.map(({ token }) => token)).toEqual([17, 11, 1, 2, 3]);
    const lost = { ...scoring, accumulated: Float32Array.of(-Infinity) };
    expect(runTop(logits, lost, 2)[0]!.map(({ token }) => token)).toEqual([1, 2]);
    const endless = runTop(logits.fill(Infinity), scoring, 2)[0]!;
    expect(endless).toEqual([{ token: 1, logProb: NaN, score: NaN }]);
  });

  it("leaks nothing", () => {
    const random = new RandomStream({ seed: 1, stream: 1 });
    const scoring = scoringOf(2, random, [0, -1]);
    expectFlatMemory(() => runTop(new Float32Array(2 * 11), scoring, 4));
  });
});
