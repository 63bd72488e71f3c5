/** The figures of the decoding benchmark as tables. */
import type { DecodeModel, TokenTime } from "./decode-protocol.ts";
import type { DecodeSamples } from "./decode.ts";
import { describeEnvironment } from "./environment.ts";
import { mean, median, pairedRatio, spreadOf, type Spread } from "./statistics.ts";
import { figure, markdownTable, mebibytes, number, text } from "./tables.ts";

const NAMES: Readonly<Record<DecodeModel, string>> = {
  float: "float",
  int8: "int8, integer codes",
  compositions: "float, without our kernels",
};

export function decodeReport(samples: DecodeSamples): string {
  return [
    "**Beam search: shipped test set, beam 4, length penalty 0.6**",
    translationTable(samples),
    "**Cost against length: 8 sentences, beam 4**",
    lengthTable(samples),
    "**Teacher-forced evaluation of the dev set**",
    evaluationTable(samples),
    describeEnvironment(samples.environment),
  ].join("\n\n");
}

/** All samples, and the ratios that the tables show. */
export function decodeJson(samples: DecodeSamples): unknown {
  return { ...samples, ratios: ratiosOf(samples) };
}

interface Ratio extends Spread {
  readonly ratio: string;
}

/** Ratios of times on the same sentences. */
function ratiosOf({ translation, evaluation }: DecodeSamples): Ratio[] {
  const [float, int8, fewFloat, compositions] = translation.map(({ turns }) => perToken(turns));
  const [floatNll, int8Nll] = evaluation.map(({ turns }) => perToken(turns));
  const named = (ratio: string, above: number[], below: number[]): Ratio => ({
    ratio,
    ...pairedRatio(above, below),
  });
  return [
    named("beam search, int8 ÷ float", int8!, float!),
    named("beam search, without our kernels ÷ float", compositions!, fewFloat!),
    named("evaluation, codes ÷ float", int8Nll!, floatNll!),
  ];
}

/** Milliseconds a token in each turn. */
function perToken(turns: readonly TokenTime[]): number[] {
  return turns.map(({ tokens, milliseconds }) => milliseconds / tokens);
}

function translationTable(samples: DecodeSamples): string {
  const table = markdownTable(
    [
      text("model"),
      number("sentences"),
      number("output tokens/s, median"),
      number("min"),
      number("max"),
      number("peak memory, MiB"),
      number("wasm heap, MiB"),
    ],
    samples.translation.map(({ model, sentences, turns }) => {
      const { median: middle, min, max } = spreadOf(perToken(turns).map((ms) => 1000 / ms));
      const { peakBytes, heapBytes } = samples.memory[model];
      return [
        NAMES[model],
        String(sentences),
        ...[middle, min, max].map(figure),
        mebibytes(peakBytes),
        mebibytes(heapBytes),
      ];
    }),
  );
  const ratios = markdownTable(
    [text("time of … ÷ time of …"), number("median"), number("min"), number("max")],
    ratiosOf(samples).map(({ ratio, median: middle, min, max }) => [
      ratio,
      ...[middle, min, max].map((value) => value.toFixed(2)),
    ]),
  );
  return `${table}\n\n${ratios}`;
}

function lengthTable({ lengths }: DecodeSamples): string {
  const found = [...new Set(lengths.map(({ length }) => length))];
  const cell = (model: DecodeModel, length: number): number[] =>
    perToken(lengths.find((l) => l.model === model && l.length === length)?.turns ?? []);
  return markdownTable(
    [
      number("output tokens a sentence"),
      number("float, ms/token"),
      number("int8, ms/token"),
      number("int8 ÷ float"),
    ],
    found.map((length) => {
      const [float, int8] = [cell("float", length), cell("int8", length)];
      const ratio = pairedRatio(int8, float).median;
      return [String(length), figure(median(float)), figure(median(int8)), ratio.toFixed(2)];
    }),
  );
}

function evaluationTable({ evaluation }: DecodeSamples): string {
  return markdownTable(
    [text("products"), number("ms"), number("target tokens/s"), number("nats a token")],
    evaluation.map(({ model, turns }) => [
      model === "int8" ? "integer codes, int8 model" : "values, float model",
      figure(median(turns.map(({ milliseconds }) => milliseconds))),
      figure(1000 / median(perToken(turns))),
      mean(turns.map(({ nll }) => nll)).toFixed(4),
    ]),
  );
}
