/** Validation while training. */
import { z } from "zod";
import { criterionClasses } from "./criterion-schema.ts";
import { defineSection } from "./section.ts";

const common = {
  eval_steps: z
    .int()
    .min(1)
    .default(1000)
    .describe("steps between two validations; the last step is always validated"),
  eval_start_at: z.int().min(0).default(0).describe("first step that may be validated"),
  eval_on_begin: z
    .boolean()
    .default(false)
    .describe("validate before the first step; true with enable_quant unless set"),
  eval_batch_size: z.int().min(1).default(32).describe("sentences of a batch"),
  eval_estop_patience: z
    .int()
    .min(0)
    .default(0)
    .describe("worse validations in a row that end training; 0: never"),
  eval_best_checkpoint_path: z.string().min(1).optional().meta({
    description: "directory of the best checkpoints [default: model_dir/best]",
    path: true,
  }),
  eval_auto_average_checkpoints: z
    .boolean()
    .default(true)
    .describe("average the best checkpoints and score the average"),
  eval_best_avg_checkpoint_path: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "directory of the average [default: model_dir/best_avg]", path: true }),
  eval_top_checkpoints_to_keep: z.int().min(1).default(10).describe("best checkpoints kept"),
};

export const validatorSection = defineSection({
  summary: "validation while training",
  optional: true,
  defaultClass: "SeqGenerationValidator",
  classes: {
    SeqGenerationValidator: {
      summary: "loss, and a metric of the decoded text; ranks by the metric",
      params: z.strictObject(common),
    },
    CriterionValidator: {
      summary: "loss and perplexity; ranks by the loss",
      params: z.strictObject(common),
    },
  },
});

export const evalCriterionSection = defineSection({
  summary: "loss of the validator",
  defaultClass: "label_smoothed_cross_entropy",
  classes: criterionClasses,
});
