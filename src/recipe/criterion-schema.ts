/** Training criteria. */
import { z } from "zod";
import { defineSection } from "./section.ts";

export const criterionClasses = {
  label_smoothed_cross_entropy: {
    summary: "cross entropy with smoothed targets; 0 at its optimum",
    aliases: ["LabelSmoothedCrossEntropy", "cross_entropy"],
    params: z.strictObject({
      label_smoothing: z
        .number()
        .min(0)
        .lt(1)
        .default(0)
        .describe("probability spread over the other tokens"),
    }),
  },
} as const;

export const criterionSection = defineSection({
  summary: "what training minimizes",
  defaultClass: "label_smoothed_cross_entropy",
  classes: {
    ...criterionClasses,
    gnmt_label_smoothing: {
      summary: "MLPerf's GNMT: summed over a sentence's tokens, smoothed over all tokens",
      params: z.strictObject({
        label_smoothing: z
          .number()
          .min(0)
          .lt(1)
          .default(0.1)
          .describe("probability spread over all tokens"),
      }),
    },
  },
});
