/** Data sets. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const datasetClasses = {
  ParallelTextDataset: {
    summary: "two text files, line by line translations of each other",
    params: z.strictObject({
      src_file: z.string().min(1).meta({ description: "source text", path: true }),
      trg_file: z.string().min(1).optional().meta({ description: "target text", path: true }),
      raw_trg_file: z
        .string()
        .min(1)
        .optional()
        .meta({ description: "untokenized target text, the reference of BLEU", path: true }),
      data_is_processed: z
        .boolean()
        .default(false)
        .describe("the files are tokenized and segmented already"),
    }),
  },
} as const;

export const datasetSection = defineSection({
  summary: "training data, or the data to evaluate or predict",
  optional: true,
  defaultClass: "ParallelTextDataset",
  classes: datasetClasses,
});

export const evalDatasetSection = defineSection({
  summary: "data of the validator",
  optional: true,
  defaultClass: "ParallelTextDataset",
  classes: datasetClasses,
});
