/** Optimizers. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const rate = z.number().min(0).lt(1);

export const optimizerSection = defineSection({
  summary: "how gradients become updates",
  defaultClass: "adam",
  classes: {
    adam: {
      summary: "Adam with bias correction",
      params: z.strictObject({
        beta_1: rate.default(0.9).describe("decay of the mean of gradients"),
        beta_2: rate.default(0.98).describe("decay of the mean of squared gradients"),
        epsilon: z.number().positive().default(1e-9).describe("added to the root"),
      }),
    },
  },
});
