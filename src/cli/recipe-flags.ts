/** Flags of commands that are keys of a recipe, with the same names, texts and checks. */
import type { z } from "zod";
import { runFlags } from "../recipe/run-flags.ts";

const ALL = runFlags();

/** Keys that decide how a model is run and how it decodes. */
export const DECODING_KEYS = [
  "search_method",
  "beam_size",
  "length_penalty",
  "top_k",
  "sample_num",
  "top_p",
  "maximum_decode_length",
  "minimum_decode_length",
  "extra_decode_length",
  "enable_unk",
  "len_norm_factor",
  "len_norm_const",
  "cov_penalty_factor",
  "max_seq_len",
  "compat",
  "batch_size",
  "seed",
  "backend",
  "threads",
  "memory_growth",
  "tf_log_level",
] as const;

/** The flags of some keys of the recipe, all optional. */
export function recipeFlags<const K extends string>(
  keys: readonly K[],
): { [P in K]: z.ZodOptional<z.ZodUnknown> } {
  const entries = keys.map((key) => [key, ALL[key]!] as const);
  return Object.fromEntries(entries) as unknown as { [P in K]: z.ZodOptional<z.ZodUnknown> };
}
