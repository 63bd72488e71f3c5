import { describe, expect, it } from "vitest";
import { readGnmtFixture, readGnmtWeights } from "./gnmt-fixture.ts";
import { PlainGnmt } from "./plain-gnmt.ts";

const { teacherForced, sizes } = readGnmtFixture();
const model = new PlainGnmt(readGnmtWeights());

/** Largest distance to a part of a fixture's tensor. */
function distance(received: ArrayLike<number>, data: readonly number[], start: number): number {
  const gaps = Array.from(received, (value, i) => Math.abs(value - data[start + i]!));
  return Math.max(...gaps);
}

describe("PlainGnmt", () => {
  it("computes MLPerf's context, attention and logits", () => {
    const { sources, targets, context, attention, logits } = teacherForced;
    const [, sourceTime] = context.shape as [number, number, number];
    const [, targetTime] = logits.shape as [number, number, number];
    let count = 0;
    sources.forEach((source, b) => {
      const encoded = model.encode(source, sourceTime);
      encoded.values.forEach((value, s) => {
        const at = (b * sourceTime + s) * sizes.hidden;
        expect(distance(value, context.data, at)).toBeLessThan(1e-5);
      });
      let state = model.start();
      for (const [t, id] of targets[b]!.slice(0, -1).entries()) {
        const step = model.step(encoded, state, id);
        state = step.state;
        const row = b * targetTime + t;
        expect(distance(step.logits, logits.data, row * sizes.vocab)).toBeLessThan(1e-5);
        expect(distance(step.attention, attention.data, row * sourceTime)).toBeLessThan(1e-5);
        count++;
      }
    });
    expect(count).toBe(targets.reduce((sum, target) => sum + target.length - 1, 0));
  });

  it("computes MLPerf's label-smoothed loss", () => {
    const { sources, targets, smoothing, loss } = teacherForced;
    let sum = 0;
    sources.forEach((source, b) => {
      const context = model.encode(source);
      let state = model.start();
      for (const [t, label] of targets[b]!.slice(1).entries()) {
        const step = model.step(context, state, targets[b]![t]!);
        state = step.state;
        const total = Math.log(step.logits.reduce((all, logit) => all + Math.exp(logit), 0));
        const mean = step.logits.reduce((all, logit) => all + logit, 0) / sizes.vocab;
        sum += (1 - smoothing) * (total - step.logits[label]!) + smoothing * (total - mean);
      }
    });
    expect(sum / sources.length).toBeCloseTo(loss, 5);
  });
});
