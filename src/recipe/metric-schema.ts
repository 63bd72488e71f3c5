/** Metrics of decoded text. */
import { z } from "zod";
import { BLEU_SMOOTHINGS, BLEU_TOKENIZERS } from "../metrics/bleu.ts";
import { defineSection } from "./section.ts";

const metricClasses = {
  bleu: {
    summary: "BLEU of whole texts, as sacrebleu computes it",
    aliases: ["sacre_bleu", "detok_bleu"],
    params: z.strictObject({
      tokenize: z.enum(BLEU_TOKENIZERS).default("13a").describe("tokenizer"),
      smooth_method: z.enum(BLEU_SMOOTHINGS).default("exp").describe("smoothing"),
      lowercase: z.boolean().default(false).describe("ignore letter case"),
    }),
  },
  chrf: {
    summary: "chrF2 of whole texts, as sacrebleu computes it",
    params: z.strictObject({
      word_order: z.int().min(0).max(6).default(0).describe("word n-grams; 2: chrF++"),
      lowercase: z.boolean().default(false).describe("ignore letter case"),
    }),
  },
} as const;

export const metricSection = defineSection({
  summary: "metric of predict",
  defaultClass: "bleu",
  classes: metricClasses,
});

export const evalMetricSection = defineSection({
  summary: "metric that the validator ranks by",
  defaultClass: "bleu",
  classes: metricClasses,
});
