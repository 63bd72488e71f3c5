/** The figures of the post-training benchmark as a table. */
import { describeEnvironment } from "./environment.ts";
import type { PtqReport } from "./ptq.ts";
import { pairedRatio, spreadOf } from "./statistics.ts";
import { figure, markdownTable, number, text } from "./tables.ts";

export function ptqReport({ environment, sentences, batch, samples }: PtqReport): string {
  const float = samples[0]!;
  const table = markdownTable(
    [
      text("beam search with"),
      number("ms a sentence, median"),
      number("min"),
      number("max"),
      number("÷ float"),
    ],
    samples.map(({ name, milliseconds }) => {
      const { median, min, max } = spreadOf(milliseconds.map((time) => time / sentences));
      const ratio = pairedRatio(milliseconds, float.milliseconds).median;
      return [name, ...[median, min, max].map(figure), ratio.toFixed(2)];
    }),
  );
  const title = `**GNMT, beam 10, ${sentences} sentences, ${batch} at a time, one thread of wasm**`;
  return [title, table, describeEnvironment(environment)].join("\n\n");
}
