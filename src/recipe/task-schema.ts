/** The translation task and the text pipelines of its two sides. */
import { z } from "zod";
import { SUBTOKENIZERS, TOKENIZERS } from "../text/pipeline.ts";
import { defineSection } from "./section.ts";

export const taskSection = defineSection({
  summary: "what the model is for, and how batches are made",
  defaultClass: "translation",
  classes: {
    translation: {
      summary: "translate sentences",
      aliases: ["Seq2Seq", "seq_to_seq"],
      params: z.strictObject({
        batch_size: z
          .int()
          .min(1)
          .default(32)
          .describe("sentences of a batch, or tokens with batch_by_tokens"),
        batch_size_per_gpu: z.int().min(1).optional().describe("the same; wins over batch_size"),
        batch_by_tokens: z.boolean().default(false).describe("batch_size counts tokens"),
        pad_to_bucket: z
          .boolean()
          .optional()
          .describe(
            "pad training batches to the lengths of their bucket, so that there are few shapes " +
              "[default: on native, where each shape is captured as a graph]",
          ),
        max_src_len: z.int().min(1).optional().describe("longest source in tokens, EOS included"),
        max_trg_len: z.int().min(1).optional().describe("longest target in tokens, EOS included"),
        truncate_src: z.boolean().default(false).describe("cut long sources instead of dropping"),
        truncate_trg: z.boolean().default(false).describe("cut long targets instead of dropping"),
        target_begin_of_sentence: z
          .enum(["bos", "eos"])
          .default("bos")
          .describe("token that decoding starts from"),
      }),
    },
  },
});

const pipelineClasses = {
  TextDataPipeline: {
    summary: "words, then subwords, then ids",
    params: z.strictObject({
      language: z.string().min(1).default("en").describe("language code, such as de"),
      tokenizer: z
        .enum(TOKENIZERS)
        .optional()
        .describe("words [default: the text is tokenized already]"),
      subtokenizer: z
        .enum(SUBTOKENIZERS)
        .optional()
        .describe("subwords [default: words are tokens]"),
      subtokenizer_codes: z
        .string()
        .min(1)
        .optional()
        .meta({ description: "file of subword merges", path: true }),
      lowercase: z.boolean().default(false).describe("lower case before tokenizing"),
      remove_punctuation: z.boolean().default(false).describe("drop punctuation"),
      normalize_punctuation: z.boolean().default(false).describe("as Moses does"),
      reverse_sequence: z.boolean().default(false).describe("ids from the end to the start"),
      vocab_path: z.string().min(1).meta({ description: "vocabulary file", path: true }),
    }),
  },
} as const;

export const sourcePipelineSection = defineSection({
  summary: "source text",
  optional: true,
  defaultClass: "TextDataPipeline",
  classes: pipelineClasses,
});

export const targetPipelineSection = defineSection({
  summary: "target text",
  optional: true,
  defaultClass: "TextDataPipeline",
  classes: pipelineClasses,
});
