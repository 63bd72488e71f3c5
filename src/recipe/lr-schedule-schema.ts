/** Learning rate schedules. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const warmup = z.int().min(1).default(4000).describe("steps of linear warm-up");

export const lrScheduleSection = defineSection({
  summary: "learning rate of each step",
  defaultClass: "noam",
  classes: {
    noam: {
      summary: "factor · d^−½ · min(t^−½, t · warmup_steps^−1.5)",
      params: z.strictObject({
        initial_factor: z.number().positive().default(1).describe("factor"),
        dmodel: z.int().min(1).optional().describe("d [default: the model's width]"),
        warmup_steps: warmup,
        end_factor: z.number().positive().optional().describe("factor after the decay"),
        start_decay_at: z
          .int()
          .min(0)
          .optional()
          .describe("step at which the factor starts to fall"),
        decay_steps: z.int().min(1).optional().describe("steps over which the factor falls"),
      }),
    },
    inverse_sqrt: {
      summary: "linear warm-up to peak_lr, then peak_lr · √warmup_steps / √t",
      params: z.strictObject({
        peak_lr: z.number().positive().default(5e-4).describe("rate at the end of the warm-up"),
        init_lr: z.number().min(0).default(0).describe("rate at the start"),
        warmup_steps: warmup,
      }),
    },
    piecewise_linear: {
      summary:
        "linear warm-up to the first rate at the first step, then one rate from each step on",
      aliases: ["piecewise"],
      params: z.strictObject({
        schedule_steps: z
          .array(z.int().min(1))
          .min(1)
          .describe("rising steps at which the rate changes"),
        schedule_lrs: z.array(z.number().min(0)).min(1).describe("rates, one more than steps"),
      }),
    },
    linear: {
      summary: "linear warm-up to peak_lr, then linearly to end_lr",
      params: z.strictObject({
        peak_lr: z.number().positive().default(5e-4).describe("rate at the end of the warm-up"),
        end_lr: z.number().min(0).default(0).describe("rate at the last step"),
        warmup_steps: z.int().min(0).default(0).describe("steps of linear warm-up"),
        total_steps: z
          .int()
          .min(1)
          .optional()
          .describe("length in steps [default: the length of the run]"),
      }),
    },
    warmup_multi_step: {
      summary:
        "MLPerf's for GNMT: exponential warm-up from 1 % of peak_lr, then peak_lr, then falls by " +
        "decay_factor; steps below 1 are a fraction of the run",
      aliases: ["multi_step"],
      params: z.strictObject({
        peak_lr: z.number().positive().default(1e-3).describe("rate before the first fall"),
        warmup_steps: z.number().min(0).default(200).describe("steps of exponential warm-up"),
        remain_steps: z.number().min(0).default(0.666).describe("step of the first fall"),
        decay_interval: z
          .number()
          .positive()
          .optional()
          .describe("steps between falls [default: they fill the rest of the run]"),
        decay_steps: z.int().min(1).default(4).describe("number of falls"),
        decay_factor: z.number().positive().max(1).default(0.5).describe("factor of each fall"),
      }),
    },
  },
});
