/** What a run does, and the options of the trainer and the sequence generator. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const output = {
  output_file: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "where results go [default: a file in model_dir]", path: true }),
  save_metric: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "JSON file for the metrics [default: a file in model_dir]", path: true }),
};

const trainer = z.strictObject({
  train_steps: z
    .int()
    .min(0)
    .default(10_000_000)
    .describe(
      "optimizer steps of this run, counted from initial_global_step; 0 only calibrates and judges",
    ),
  summary_steps: z.int().min(1).default(200).describe("steps between two lines of the log"),
  save_checkpoint_steps: z.int().min(1).default(1000).describe("steps between two checkpoints"),
  checkpoints_max_to_keep: z.int().min(1).default(8).describe("checkpoints kept in model_dir"),
  initial_global_step: z
    .int()
    .min(0)
    .optional()
    .describe("step that the learning rate schedule starts at [default: 0]"),
  pretrain_model: z.string().min(1).optional().meta({
    description: "model directory whose weights training starts from",
    path: true,
    hint: "Write the path alone; pretrain_variable_pattern chooses among its variables.",
  }),
  pretrain_variable_pattern: z
    .string()
    .min(1)
    .optional()
    .describe(
      "regular expression: variables with a matching name are loaded from pretrain_model " +
        "[default: all]",
    ),
  update_cycle: z.int().min(1).default(1).describe("batches whose gradients make one step"),
  clip_norm: z.number().positive().optional().describe("largest global norm of the gradients"),
  clip_value: z.number().positive().optional().describe("largest absolute value of a gradient"),
  freeze_variables: z
    .string()
    .min(1)
    .optional()
    .describe("regular expression: variables with a matching name are not trained"),
  tb_log_dir: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "directory of TensorBoard files [default: model_dir/train]", path: true }),
});

export const entrySection = defineSection({
  summary: "what the run does",
  defaultClass: "train",
  classes: {
    train: { summary: "train or fine-tune", aliases: ["trainer"], params: trainer },
    eval: {
      summary: "loss and perplexity of a data set",
      aliases: ["evaluate", "evaluator", "evaluation"],
      params: z.strictObject(output),
    },
    predict: {
      summary: "decode a data set and score it",
      aliases: ["generation", "sequence_generator", "SequenceGenerator"],
      params: z.strictObject({
        ...output,
        limit: z
          .int()
          .min(1)
          .optional()
          .describe("most sentences, from the first line: a partial evaluation [default: all]"),
      }),
    },
    seq_eval: {
      summary: "negative log-likelihood of each sentence",
      aliases: ["sequence_evaluator", "SequenceEvaluator"],
      params: z.strictObject(output),
    },
    validation: {
      summary: "validate checkpoints as they appear in model_dir",
      aliases: ["validator"],
      params: z.strictObject({
        waiting_interval: z.number().positive().default(120).describe("seconds between two looks"),
        maximum_waiting_time: z
          .number()
          .min(0)
          .default(3600)
          .describe("seconds without a new checkpoint after which it ends"),
      }),
    },
  },
});
