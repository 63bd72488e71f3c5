/** How sequences are decoded. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const enableUnk = z.boolean().default(false).describe("allow the unknown token");

const lengths = {
  maximum_decode_length: z.int().min(1).optional().describe("most tokens of an output"),
  minimum_decode_length: z.int().min(0).default(0).describe("fewest tokens of an output"),
  extra_decode_length: z
    .int()
    .min(0)
    .default(50)
    .describe("tokens that an output may be longer than its source"),
  enable_unk: enableUnk,
};

const searchClasses = {
  beam_search: {
    summary: "beam search with length penalty ((5+length)/6)^α",
    aliases: ["beam"],
    params: z.strictObject({
      beam_size: z.int().min(1).default(4).describe("hypotheses kept at each step"),
      length_penalty: z.number().default(0.6).describe("α; negative: the mean score of a token"),
      top_k: z.int().min(1).default(1).describe("hypotheses returned for each source"),
      ...lengths,
    }),
  },
  greedy_search: {
    summary: "the most probable token at each step",
    aliases: ["greedy"],
    params: z.strictObject(lengths),
  },
  gnmt_beam_search: {
    summary: "GNMT's beam search: length normalisation and coverage penalty at the end",
    aliases: ["gnmt_beam", "gnmt"],
    params: z.strictObject({
      beam_size: z.int().min(1).default(5).describe("hypotheses kept at each step"),
      len_norm_factor: z.number().default(0.6).describe("α of ((K + length)/(K + 1))^α; 0: none"),
      len_norm_const: z.number().min(0).default(5).describe("K"),
      cov_penalty_factor: z
        .number()
        .min(0)
        .default(0.1)
        .describe("weight of the logarithm of what was attended to; 0: none"),
      max_seq_len: z
        .int()
        .min(2)
        .default(80)
        .describe("most tokens of an output, first input (BOS) and EOS included"),
      compat: z
        .enum(["none", "mlperf"])
        .default("none")
        .describe(
          "mlperf: coverage stays in its place, outputs at the limit are scored raw, UNK is allowed",
        ),
      top_k: z.int().min(1).default(1).describe("hypotheses returned for each source"),
      enable_unk: enableUnk,
    }),
  },
  top_sampling: {
    summary: "random tokens among the most probable",
    aliases: ["sampling"],
    params: z.strictObject({
      sample_num: z.int().min(1).default(1).describe("samples of each source"),
      top_k: z.int().min(0).default(0).describe("tokens to choose from; 0: all"),
      top_p: z.number().positive().max(1).default(1).describe("probability to choose from"),
      ...lengths,
    }),
  },
} as const;

export const searchSection = defineSection({
  summary: "search of predict",
  defaultClass: "beam_search",
  classes: searchClasses,
});

export const evalSearchSection = defineSection({
  summary: "search of the validator",
  defaultClass: "beam_search",
  classes: searchClasses,
});
