import { describe, expect, it } from "vitest";
import { scheduleOf } from "../../src/recipe/lr-schedule.ts";
import { resolveRecipe } from "../../src/recipe/sources.ts";
import {
  type FixtureSchedule,
  type FixtureSteps,
  readGnmtFixture,
} from "../helpers/gnmt-fixture.ts";

function expectRates({ options, rates }: FixtureSchedule, flags: Record<string, unknown>): void {
  const { lr_schedule } = resolveRecipe({
    flags: { lr_schedule: "warmup_multi_step", ...flags },
  }).recipe;
  const span = { initialStep: 50, targetStep: 50 + options.iterations };
  const schedule = scheduleOf(lr_schedule, 1, span);
  for (const [t, rate] of rates.filter(([t]) => t > 0)) {
    expect(schedule.rate(50 + t - 1) / rate, `t ${t}`).toBeCloseTo(1, 12);
  }
}

describe("lr_schedule warmup_multi_step", () => {
  const schedules = readGnmtFixture().schedules;
  const steps = (value: FixtureSteps | null) =>
    value === null || typeof value === "number" ? value : value.fraction;

  it("has MLPerf's defaults", () => {
    expectRates(schedules[0]!, {});
    expect(resolveRecipe({ flags: { lr_schedule: "multi_step" } }).recipe.lr_schedule.class).toBe(
      "warmup_multi_step",
    );
  });

  it.each(schedules)("takes MLPerf's settings: $options", (schedule) => {
    const { warmupSteps, remainSteps, decayInterval, decaySteps, decayFactor } = schedule.options;
    expectRates(schedule, {
      peak_lr: schedule.options.baseRate,
      warmup_steps: steps(warmupSteps),
      remain_steps: steps(remainSteps),
      decay_interval: steps(decayInterval),
      decay_steps: decaySteps,
      decay_factor: decayFactor,
    });
  });
});
