/** Scores of lines with a chosen metric. */
import { corpusBleu } from "../metrics/bleu.ts";
import { corpusChrf } from "../metrics/chrf.ts";
import { packageVersion } from "./package-version.ts";
import type { Recipe } from "./schema.ts";

/** A score with what is needed to compare it. */
export interface TextScore {
  readonly name: string;
  /** 0 to 100. */
  readonly score: number;
  readonly signature: string;
}

/** A metric as recipes describe it. */
export type MetricSettings = Recipe["metric"];

/** The score of hypotheses against one reference each, or several: one list for each reference. */
export function scoreText(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[] | readonly string[],
  metric: MetricSettings,
): TextScore {
  const sets = isOneSet(references) ? [references] : references;
  const version = packageVersion();
  const { lowercase } = metric;
  if (metric.class === "bleu") {
    const { tokenize, smooth_method: smoothMethod } = metric;
    const options = { tokenize, smoothMethod, lowercase, version };
    const { score, signature } = corpusBleu(hypotheses, sets, options);
    return { name: "BLEU", score, signature };
  }
  const wordOrder = metric.word_order;
  const { score, signature } = corpusChrf(hypotheses, sets, { wordOrder, lowercase, version });
  return { name: `chrF2${"+".repeat(wordOrder)}`, score, signature };
}

function isOneSet(
  references: readonly (readonly string[])[] | readonly string[],
): references is readonly string[] {
  return typeof references[0] === "string";
}
