/** What the quickstart prints: a table for people, one object for programs. */
import { pairedBootstrap } from "tfjs-qat";
import type { ParallelLines, ScoredModel } from "./steps.ts";

export interface QuickstartReport {
  readonly backend: string;
  readonly rows: readonly {
    readonly model: ScoredModel["model"];
    readonly bleu: number;
    readonly signature: string;
    readonly bytes: number;
    readonly ms_per_sentence: number;
    readonly step: number | null;
  }[];
  readonly parity: { readonly codes: number; readonly different: number };
  readonly seconds: number;
}

export function reportOf(
  backend: string,
  models: readonly ScoredModel[],
  parity: QuickstartReport["parity"],
  seconds: number,
): QuickstartReport {
  return {
    backend,
    rows: models.map(({ model, bleu, bytes, millisecondsPerSentence, step }) => ({
      model,
      bleu: bleu.score,
      signature: bleu.signature,
      bytes,
      ms_per_sentence: millisecondsPerSentence,
      step,
    })),
    parity,
    seconds,
  };
}

const NAMES: Readonly<Record<ScoredModel["model"], string>> = {
  float: "float",
  ptq_int8: "int8 post-training",
  qat_int8: "int8 QAT",
};

export function tableOf(models: readonly ScoredModel[]): string {
  const [baseline] = models;
  const rows = models.map((row) => [
    NAMES[row.model],
    row.bleu.score.toFixed(2),
    row === baseline ? "" : differenceText(baseline!, row),
    row.bytes.toLocaleString("en-US"),
    row.millisecondsPerSentence.toFixed(1),
    row.step === null ? "" : String(row.step),
  ]);
  const header = ["model", "BLEU", "difference [95 %]", "bytes", "ms/sentence", "step"];
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((w) => "-".repeat(w))), ...rows.map(line)].join("\n");
}

/** Difference in BLEU with the bounds of 95 % of 1,000 paired resamples of the sentences. */
function differenceText(baseline: ScoredModel, row: ScoredModel): string {
  const { difference, low, high } = pairedBootstrap(baseline.bleu, row.bleu);
  return `${signed(difference)} [${signed(low)}, ${signed(high)}]`;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** A few sentences with each model's translation. */
export function samplesOf(models: readonly ScoredModel[], test: ParallelLines): string {
  const width = Math.max(...Object.values(NAMES).map((name) => name.length));
  const third = Math.floor(test.source.length / 3);
  return [0, third, 2 * third]
    .map((i) =>
      [
        ["English", test.source[i]!],
        ["German", test.target[i]!],
        ...models.map((row) => [NAMES[row.model], row.translations[i]!]),
      ]
        .map(([name, text]) => `  ${name!.padEnd(width)}  ${text!}`)
        .join("\n"),
    )
    .join("\n\n");
}
