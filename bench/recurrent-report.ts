/** The figures of the recurrent benchmark as a table. */
import { describeEnvironment } from "./environment.ts";
import type {
  RecurrentForm,
  RecurrentReport,
  RecurrentSamples,
  RecurrentTask,
} from "./recurrent.ts";
import { pairedRatio, spreadOf } from "./statistics.ts";
import { figure, markdownTable, number, text } from "./tables.ts";

const FORMS: Readonly<Record<RecurrentForm, string>> = {
  fused: "tfjs-qat, sequence kernel",
  modular: "tfjs-qat, step by step",
  stock: "tf.layers.lstm",
};

const TASKS: Readonly<Record<RecurrentTask, string>> = {
  training: "forward and backward",
  evaluation: "forward",
};

export function recurrentReport({ environment, samples }: RecurrentReport): string {
  const table = markdownTable(
    [
      text("task"),
      text("layer"),
      text("numbers"),
      number("batch"),
      number("ms, median"),
      number("min"),
      number("max"),
      number("÷ sequence kernel"),
    ],
    samples.map((row) => cells(row, samples)),
  );
  const { units, inputs, time } = samples[0]!.size;
  const title = `**LSTM layer: ${inputs} inputs, ${units} units, ${time} steps**`;
  const unit =
    "The last column compares with the sequence kernel of the same task, batch and numbers.";
  return [title, table, `${unit}\n${describeEnvironment(environment)}`].join("\n\n");
}

function cells(row: RecurrentSamples, all: readonly RecurrentSamples[]): string[] {
  const { task, form, isQuantized, size, milliseconds } = row;
  const fused = all.find(
    (other) =>
      other.task === task &&
      other.form === "fused" &&
      other.isQuantized === isQuantized &&
      other.size.batch === size.batch,
  )!;
  const { median, min, max } = spreadOf(milliseconds);
  const ratio = pairedRatio(milliseconds, fused.milliseconds).median;
  return [
    TASKS[task],
    FORMS[form],
    isQuantized ? "quantized" : "float",
    String(size.batch),
    ...[median, min, max].map(figure),
    ratio.toFixed(2),
  ];
}
