/** Output tokens a second: variants take turns, each model in a process of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./child-process.ts";
import type {
  DecodeFinish,
  DecodeJob,
  DecodeModel,
  DecodeRequest,
  EvaluationTime,
  TokenTime,
} from "./decode-protocol.ts";
import { environmentOf, type Environment } from "./environment.ts";
import {
  DECODE_TURNS,
  EVALUATION_TURNS,
  FEW_SENTENCES,
  FORCED_LENGTHS,
  LENGTH_TURNS,
  TEST_SENTENCES,
} from "./settings.ts";

/** Beam search over the same sentences, turn by turn. */
export interface TranslationSamples {
  readonly model: DecodeModel;
  readonly sentences: number;
  readonly turns: readonly TokenTime[];
}

/** Beam search with forced lengths. */
export interface LengthSamples {
  readonly model: DecodeModel;
  readonly length: number;
  readonly turns: readonly TokenTime[];
}

export interface EvaluationSamples {
  readonly model: DecodeModel;
  readonly turns: readonly EvaluationTime[];
}

export interface DecodeSamples {
  readonly command: "decode";
  readonly environment: Environment;
  readonly translation: readonly TranslationSamples[];
  readonly lengths: readonly LengthSamples[];
  readonly evaluation: readonly EvaluationSamples[];
  readonly memory: Readonly<Record<DecodeModel, DecodeFinish>>;
}

type Note = (line: string) => void;
type Children = Readonly<Record<DecodeModel, Child>>;

export async function measureDecoding(note: Note): Promise<DecodeSamples> {
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-bench-"));
  const start = (model: DecodeModel): Child =>
    Child.ofModule(model, "./decode-process.ts", { model, directory } satisfies DecodeJob);
  const children: Children = {
    float: start("float"),
    int8: start("int8"),
    compositions: start("compositions"),
  };
  try {
    for (const child of Object.values(children)) await ask(child, { command: "start" });
    const translation = await measureTranslation(children, note);
    const lengths = await measureLengths(children, note);
    const evaluation = await measureEvaluation(children, note);
    const finish = (model: DecodeModel): Promise<DecodeFinish> =>
      ask(children[model], { command: "finish" });
    const memory = {
      float: await finish("float"),
      int8: await finish("int8"),
      compositions: await finish("compositions"),
    };
    const environment = environmentOf();
    return { command: "decode", environment, translation, lengths, evaluation, memory };
  } finally {
    for (const child of Object.values(children)) child.kill();
    rmSync(directory, { recursive: true });
  }
}

async function measureTranslation(children: Children, note: Note): Promise<TranslationSamples[]> {
  const variants = [
    { model: "float", sentences: TEST_SENTENCES },
    { model: "int8", sentences: TEST_SENTENCES },
    { model: "float", sentences: FEW_SENTENCES },
    { model: "compositions", sentences: FEW_SENTENCES },
  ] as const;
  return inTurns(variants, DECODE_TURNS, async ({ model, sentences }, turn) => {
    const time = await ask<TokenTime>(children[model], { command: "translate", sentences });
    note(`translate ${turn}/${DECODE_TURNS} ${model}, ${sentences} sentences: ${rateText(time)}`);
    return time;
  });
}

function measureLengths(children: Children, note: Note): Promise<LengthSamples[]> {
  const variants = FORCED_LENGTHS.flatMap((length) =>
    (["float", "int8"] as const).map((model) => ({ model, length })),
  );
  return inTurns(variants, LENGTH_TURNS, async ({ model, length }, turn) => {
    const time = await ask<TokenTime>(children[model], { command: "length", length });
    note(`length ${turn}/${LENGTH_TURNS} ${model}, ${length} tokens: ${rateText(time)}`);
    return time;
  });
}

function measureEvaluation(children: Children, note: Note): Promise<EvaluationSamples[]> {
  const variants = [{ model: "float" }, { model: "int8" }] as const;
  return inTurns(variants, EVALUATION_TURNS, async ({ model }, turn) => {
    const time = await ask<EvaluationTime>(children[model], { command: "evaluate" });
    note(`evaluate ${turn}/${EVALUATION_TURNS} ${model}: ${rateText(time)}`);
    return time;
  });
}

/** Measures each variant once a turn. */
async function inTurns<V, T>(
  variants: readonly V[],
  count: number,
  measure: (variant: V, turn: number) => Promise<T>,
): Promise<(V & { readonly turns: readonly T[] })[]> {
  const results = variants.map((variant) => ({ ...variant, turns: [] as T[] }));
  for (let turn = 1; turn <= count; turn++) {
    for (const result of results) result.turns.push(await measure(result, turn));
  }
  return results;
}

function ask<T>(child: Child, request: DecodeRequest): Promise<T> {
  return child.request<T>(request);
}

function rateText({ tokens, milliseconds }: TokenTime): string {
  return `${((1000 * tokens) / milliseconds).toFixed(0)} tokens/s`;
}
