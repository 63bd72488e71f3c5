import { z } from "zod";
import { BLEU_SMOOTHINGS, BLEU_TOKENIZERS } from "../../metrics/bleu.ts";
import { commaList } from "../../recipe/flags.ts";
import { defineCommand } from "../define-command.ts";

/** Scores translations against references. */
export const scoreCommand = defineCommand({
  name: "score",
  flags: z.strictObject({
    ref: commaList.describe("reference files, one sentence a line, separated by commas"),
    hyp: z.string().min(1).describe("file of translations, one sentence a line"),
    metric: z.enum(["bleu", "chrf"]).default("bleu").describe("what is computed"),
    tokenize: z.enum(BLEU_TOKENIZERS).default("13a").describe("tokenizer of BLEU"),
    smooth_method: z.enum(BLEU_SMOOTHINGS).default("exp").describe("smoothing of BLEU"),
    word_order: z.int().min(0).max(6).default(0).describe("word n-grams of chrF; 2: chrF++"),
    lowercase: z.boolean().default(false).describe("ignore letter case"),
  }),
  examples: [
    ["score --ref test.de --hyp hypotheses.txt", "BLEU as sacrebleu computes it"],
    ["score --ref test.de --hyp hypotheses.txt --metric chrf --json", "chrF2 as one JSON object"],
  ],
  async run(flags) {
    const { scoreFiles } = await import("../../recipe/score-files.ts");
    const { metric, tokenize, smooth_method, word_order, lowercase } = flags;
    const json = await scoreFiles(
      flags.hyp,
      flags.ref,
      metric === "bleu"
        ? { class: metric, tokenize, smooth_method, lowercase }
        : { class: metric, word_order, lowercase },
    );
    return { json, text: `${json.name} = ${json.score.toFixed(2)}\n${json.signature}` };
  },
});
