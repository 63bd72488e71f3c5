/** A search's findings as text that people read. */
import type { QuantOverride } from "../quant/config.ts";
import type { Culprit, SearchResult } from "../ptq/search.ts";

/** What the log says of the text and the metric. */
export interface SearchLogContext {
  /** Such as `BLEU` or `perplexity`. */
  readonly metric: string;
  /** Such as `2000 sentences of dev.en`; says so where they are a part of the text. */
  readonly text: string;
}

/** Markdown: the scores, the tensors that cost the most, all evaluations, the settings found. */
export function searchLog(result: SearchResult, context: SearchLogContext): string {
  const { float, base, best, culprits, evaluations } = result;
  const { metric, text } = context;
  return [
    "# Search for quantization settings",
    "",
    `${metric} on ${text}: ` +
      `float ${float.metric.toFixed(3)}, as given ${base.metric.toFixed(3)}, ` +
      `found ${best.metric.toFixed(3)} (${best.name}).`,
    "",
    "## Tensors that cost the most alone",
    "",
    "Divergence from the float model in nats a token where nothing else is quantized, by the plan and by " +
      "the settings chosen for the tensor.",
    "",
    ...table(
      ["tensor", "plan", "chosen", "settings"],
      culprits.map((culprit) => [culprit.path, ...costs(culprit), settingsText(culprit.settings)]),
    ),
    "",
    "## Evaluations",
    "",
    ...table(
      ["plan", metric],
      evaluations.map(({ name, metric: value }) => [name, value.toFixed(3)]),
    ),
    "",
    "## Settings found",
    "",
    ...(best.overrides!.length === 0
      ? ["The plan as given is best."]
      : table(["tensor", "settings"], best.overrides!.map(overrideRow))),
    "",
  ].join("\n");
}

function costs({ before, after }: Culprit): [string, string] {
  return [before.toPrecision(3), after.toPrecision(3)];
}

function overrideRow({ match, ...settings }: QuantOverride): string[] {
  return [match, settingsText(settings)];
}

function settingsText(settings: object | null): string {
  if (settings === null) return "the plan's";
  if ("enable" in settings && settings.enable === false) return "float";
  return Object.entries(settings)
    .map(([key, value]) => `${key.replace(/^quant_/, "")} ${String(value)}`)
    .join(", ");
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)];
}
