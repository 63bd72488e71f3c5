import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import {
  highestRate,
  inverseSqrtSchedule,
  linearSchedule,
  multiStepSchedule,
  noamSchedule,
  piecewiseSchedule,
  type Schedule,
} from "../../src/train/schedule.ts";
import { type FixtureSteps, readGnmtFixture } from "../helpers/gnmt-fixture.ts";

/** Rates computed by hand from the formulas in the doc comments, t = step + 1. */
function expectRates(schedule: Schedule, rates: Readonly<Record<number, number>>): void {
  for (const [step, rate] of Object.entries(rates)) {
    expect(schedule.rate(Number(step)), `step ${step}`).toBeCloseTo(rate, 12);
  }
}

describe("noam", () => {
  it("rises linearly, then falls with the root", () => {
    const schedule = noamSchedule({ dmodel: 512, warmupSteps: 4000, initialFactor: 1 });
    // 512^−½ = 0.04419417382415922; 4000^−½ = 0.015811388300841896
    expectRates(schedule, {
      0: 0.04419417382415922 * 0.015811388300841896 * (1 / 4000),
      1999: 0.04419417382415922 * 0.015811388300841896 * 0.5,
      3999: 0.04419417382415922 * 0.015811388300841896,
      15999: 0.04419417382415922 / Math.sqrt(16000),
    });
  });

  it("gives the rate of the published fine-tuning recipe", () => {
    const schedule = noamSchedule({ dmodel: 1024, warmupSteps: 4000, initialFactor: 1 });
    expect(schedule.rate(250_000)).toBeCloseTo(6.25e-5, 9);
    let sum = 0;
    for (let step = 250_000; step < 300_000; step++) sum += schedule.rate(step);
    expect(sum).toBeCloseTo(2.98, 2);
  });

  it("lets its factor fall", () => {
    const schedule = noamSchedule({
      dmodel: 4,
      warmupSteps: 1,
      initialFactor: 2,
      endFactor: 1,
      startDecayAt: 100,
      decaySteps: 200,
    });
    expectRates(schedule, {
      99: (2 * 0.5) / 10,
      199: (1.5 * 0.5) / Math.sqrt(200),
      299: (1 * 0.5) / Math.sqrt(300),
      399: (1 * 0.5) / 20,
    });
  });
});

describe("inverse_sqrt", () => {
  it("rises from the initial rate to the peak, then falls with the root", () => {
    const schedule = inverseSqrtSchedule({ peakRate: 5e-4, initialRate: 1e-4, warmupSteps: 100 });
    expectRates(schedule, { 0: 1.04e-4, 49: 3e-4, 98: 4.96e-4, 99: 5e-4, 399: 2.5e-4 });
  });
});

describe("piecewise", () => {
  it("rises to the first rate, then takes the rate of each piece", () => {
    const schedule = piecewiseSchedule({ steps: [10, 20, 30], rates: [1, 0.5, 0.25, 0.125] });
    expectRates(schedule, { 0: 0.1, 8: 0.9, 9: 0.5, 18: 0.5, 19: 0.25, 28: 0.25, 29: 0.125 });
    expect(schedule.rate(1e6)).toBe(0.125);
  });

  it.each([
    [[], [1]],
    [[10], [1]],
    [
      [10, 10],
      [1, 2, 3],
    ],
  ])("refuses steps %j with rates %j", (steps, rates) => {
    expect(() => piecewiseSchedule({ steps, rates })).toThrow(ConfigError);
  });
});

describe("linear", () => {
  it("counts from the run's first step and ends at its last", () => {
    const schedule = linearSchedule({
      peakRate: 1,
      endRate: 0.2,
      warmupSteps: 4,
      firstStep: 1000,
      lastStep: 1012,
    });
    expectRates(schedule, { 1000: 0.25, 1003: 1, 1004: 0.9, 1007: 0.6, 1011: 0.2, 1500: 0.2 });
  });

  it("needs no warm-up and no room after it", () => {
    const short = { peakRate: 1, endRate: 0, firstStep: 0 };
    expectRates(linearSchedule({ ...short, warmupSteps: 0, lastStep: 4 }), { 0: 0.75, 3: 0 });
    expectRates(linearSchedule({ ...short, warmupSteps: 4, lastStep: 4 }), { 0: 0.25, 3: 1 });
  });
});

describe("warmup_multi_step", () => {
  const steps = (value: FixtureSteps) => (typeof value === "number" ? value : value.fraction);

  it.each(readGnmtFixture().schedules)("gives MLPerf's rates: $options", ({ options, rates }) => {
    for (const firstStep of [0, 300]) {
      const schedule = multiStepSchedule({
        peakRate: options.baseRate,
        warmupSteps: steps(options.warmupSteps),
        remainSteps: steps(options.remainSteps),
        decayInterval: options.decayInterval === null ? undefined : steps(options.decayInterval),
        decaySteps: options.decaySteps,
        decayFactor: options.decayFactor,
        firstStep,
        lastStep: firstStep + options.iterations,
      });
      for (const [t, rate] of rates.filter(([t]) => t > 0)) {
        const received = schedule.rate(firstStep + t - 1);
        expect(Math.abs(received / rate - 1), `t ${t}`).toBeLessThan(1e-12);
      }
      const all = Array.from({ length: options.iterations }, (_, s) =>
        schedule.rate(firstStep + s),
      );
      const highest = highestRate(schedule, firstStep, firstStep + options.iterations);
      expect(highest).toBe(Math.max(...all));
    }
  });

  it("refuses broken numbers of steps", () => {
    const options = { peakRate: 1, decaySteps: 4, decayFactor: 0.5, firstStep: 0, lastStep: 100 };
    const run = () => multiStepSchedule({ ...options, warmupSteps: 200.5, remainSteps: 0.666 });
    expect(run).toThrow(
      "lr_schedule warmup_multi_step: warmup_steps: expected a whole number of steps or a fraction " +
        "of the run below 1, received 200.5. Change warmup_steps.",
    );
    expect(run).toThrow(ConfigError);
  });
});

describe("highestRate", () => {
  const schedules: Record<string, Schedule> = {
    noam: noamSchedule({ dmodel: 64, warmupSteps: 37, initialFactor: 1 }),
    inverseSqrt: inverseSqrtSchedule({ peakRate: 1, initialRate: 0, warmupSteps: 37 }),
    piecewise: piecewiseSchedule({ steps: [10, 40, 70], rates: [1, 0.5, 3, 2] }),
    linear: linearSchedule({ peakRate: 1, endRate: 0, warmupSteps: 9, firstStep: 5, lastStep: 90 }),
  };

  it.each(Object.entries(schedules))("finds the top of %s in any span", (_, schedule) => {
    for (const [first, last] of [
      [0, 100],
      [5, 90],
      [40, 60],
      [69, 71],
      [12, 13],
      [80, 80],
    ] as const) {
      const rates = Array.from({ length: Math.max(last - first, 1) }, (_, i) =>
        schedule.rate(first + i),
      );
      expect(highestRate(schedule, first, last)).toBe(Math.max(...rates));
    }
  });
});
