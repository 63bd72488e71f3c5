/** Post-training quantization of a model on disk. */
import { selectBackend } from "../backends/select.ts";
import type { PairExample } from "../data/parallel-text.ts";
import { readTextFile } from "../data/text-file.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { type OverridesDialect, parseOverrides } from "../ptq/overrides.ts";
import { printPlan } from "../ptq/print-plan.ts";
import {
  applyQuantization,
  prepareQuantization,
  type QuantizeOptions,
} from "../ptq/quantize-model.ts";
import type { QuantReport } from "../ptq/report.ts";
import { treatmentLines } from "../ptq/treatments.ts";
import type { QuantParamsInput } from "../quant/config.ts";
import { readStatistics } from "./read-statistics.ts";
import { type HeldOutRequest, readHeldOutText } from "./held-out-text.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { type RefineChoice, type Refinement, refineWeights } from "./refine-weights.ts";
import { sentencesPerBatch } from "./run-report.ts";
import type { RunReporter } from "./run-reporter.ts";
import { recipeOfModel } from "./sources.ts";
import { startBackend } from "./start-backend.ts";
import { refuseOccupied, writeQuantized } from "./write-quantized.ts";

/** What is quantized, how, and where to. */
export interface QuantizeRequest {
  /** A model directory, a checkpoint file or an int8 export. */
  readonly path: string;
  /** Directory to write, new or empty; null writes nothing. */
  readonly output: string | null;
  /** File of statistics; null: ranges of the live tensors. */
  readonly stats: string | null;
  /** File of overrides, or null. */
  readonly overrides: string | null;
  /** Null: told by the keys of the file. */
  readonly dialect: OverridesDialect | null;
  readonly quantParams: QuantParamsInput;
  /** What follows once the ranges are set. */
  readonly refine: RefineChoice;
  /** The text for that; null where nothing follows. */
  readonly text: HeldOutRequest | null;
  readonly reporter: RunReporter;
  readonly signal?: AbortSignal | undefined;
}

/** What came of it. */
export interface QuantizeOutcome {
  readonly output: string | null;
  /** The plan in the form of Distiller's printed model. */
  readonly plan: string;
  /** Null where nothing was written. */
  readonly report: QuantReport | null;
  readonly refinement: Refinement | null;
  readonly notes: readonly string[];
}

/**
 * Plans the quantization of a model and, where there is an output, writes the quantized model: a
 * directory like that of a training run, and the report.
 * @param onPlan is given the plan before anything is quantized
 * @throws {ConfigError} if the output holds something; as `quantizeModel` for settings and files
 */
export async function quantizeOnDisk(
  request: QuantizeRequest,
  onPlan: (plan: string) => void = () => undefined,
): Promise<QuantizeOutcome> {
  const { output } = request;
  if (output !== null) refuseOccupied(output);
  const options = quantizeOptions(request);
  const loaded = await loadSource(request);
  try {
    const prepared = prepareQuantization(loaded.model, options);
    const { model, config, notes } = prepared;
    try {
      const plan = [...treatmentLines(model), printPlan(model, prepared.plan)].join("\n");
      onPlan(plan);
      if (output === null) return { output, plan, report: null, refinement: null, notes };
      const { report } = applyQuantization(loaded.model, prepared);
      const refinement = await refineOnText(model, request, loaded);
      writeQuantized(
        output,
        { ...loaded, model },
        { config, report: { ...report, ...refinement } },
      );
      return { output, plan, report, refinement, notes };
    } finally {
      model.dispose();
    }
  } finally {
    loaded.model.dispose();
  }
}

/** The model, on the backend that its text asks for where something follows. */
async function loadSource({ path, refine, text, reporter }: QuantizeRequest): Promise<LoadedModel> {
  if (text === null || !isWanted(refine)) {
    await selectBackend("cpu");
    return loadModel(path);
  }
  const { recipe } = recipeOfModel(path, text.flags);
  await startBackend(recipe, reporter);
  return loadModel(path, recipe);
}

async function refineOnText(
  model: Seq2SeqModel,
  request: QuantizeRequest,
  { task, recipe }: LoadedModel,
): Promise<Refinement | null> {
  const { refine, text, reporter } = request;
  if (text === null || !isWanted(refine)) return null;
  const { pairs } = await readHeldOutText(task, recipe, text, reporter);
  return refined(model, request, { task, recipe, pairs });
}

/** {@link refineWeights} as a request wants it; null where it wants nothing. */
export async function refined(
  model: Seq2SeqModel,
  { refine, reporter, signal }: QuantizeRequest,
  on: Pick<LoadedModel, "task" | "recipe"> & { readonly pairs: readonly PairExample[] },
): Promise<Refinement | null> {
  if (!isWanted(refine)) return null;
  const batchSentences = sentencesPerBatch(on.recipe);
  return refineWeights(model, { ...on, ...refine, batchSentences, reporter, signal });
}

function isWanted({ learnedRounding, biasCorrection }: RefineChoice): boolean {
  return learnedRounding || biasCorrection;
}

/** The options of `quantizeModel`, its files read. */
export function quantizeOptions({
  stats,
  overrides,
  dialect,
  quantParams,
}: QuantizeRequest): QuantizeOptions {
  const file =
    overrides === null
      ? null
      : parseOverrides(
          readTextFile(overrides, "a file of overrides", "Check --overrides."),
          overrides,
          dialect,
        );
  const statistics = stats === null ? null : readStatistics(stats);
  return { statistics, quantParams, overrides: file };
}
