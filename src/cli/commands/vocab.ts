import { z } from "zod";
import { commaList } from "../../recipe/flags.ts";
import { defineCommand } from "../define-command.ts";

/** Builds a vocabulary file from segmented text. */
export const vocabCommand = defineCommand({
  name: "vocab",
  flags: z.strictObject({
    input: commaList.describe("text files, tokens separated by blanks"),
    output: z.string().min(1).describe("vocabulary file to write"),
    min_frequency: z.int().min(1).default(1).describe("rarer tokens are left out"),
    max_size: z.int().min(1).optional().describe("most tokens, special ones not counted"),
    counts: z.boolean().default(false).describe("write the count of each token as well"),
  }),
  examples: [
    ["vocab --input train.bpe.en,train.bpe.de --output vocab.txt", "one vocabulary for both sides"],
  ],
  async run(flags) {
    const { buildVocabulary } = await import("../../recipe/text-tools.ts");
    const json = await buildVocabulary({
      inputs: flags.input,
      output: flags.output,
      limits: {
        minFrequency: flags.min_frequency,
        ...(flags.max_size === undefined ? {} : { maxSize: flags.max_size }),
      },
      withCounts: flags.counts,
    });
    return { json, text: `${flags.output}: ${json.tokens} tokens of ${json.types} types` };
  },
});
