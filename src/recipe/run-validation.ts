/** Entry validation: judges checkpoints of a model directory as a training run writes them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ConfigError, FormatError } from "../errors.ts";
import { parseJson } from "../formats/json.ts";
import { assignWeights } from "../models/load-weights.ts";
import { readIndex } from "../train/checkpoint-index.ts";
import { loadCheckpoint, weightsPath } from "../train/checkpoint-store.ts";
import { buildModel } from "./build-model.ts";
import { requiredModelDir, type RunContext, type RunReport } from "./run-report.ts";
import type { Recipe } from "./schema.ts";
import { createTranslationTask } from "./translation-task.ts";
import { createValidator } from "./validate.ts";

type ValidationEntry = Extract<Recipe["entry"], { class: "validation" }>;

/** Where the judgements go, one JSON object a line. */
const RESULTS_FILE = "validation.jsonl";

const resultSchema = z.object({ step: z.int().min(0), score: z.number() }).catchall(z.number());

/** Judgement of one checkpoint: step, score and further figures. */
type Result = z.output<typeof resultSchema>;

/**
 * Judges every checkpoint that model_dir lists and has not been judged, waits for further ones, and
 * ends when none comes for `maximum_waiting_time` seconds.
 */
export async function runValidation(
  recipe: Recipe,
  entry: ValidationEntry,
  context: RunContext,
): Promise<RunReport> {
  const modelDir = requiredModelDir(recipe);
  const task = createTranslationTask(recipe);
  const { reporter, signal, now } = context;
  const validator = await createValidator(recipe, task, reporter, signal);
  if (validator === null) {
    throw new ConfigError(
      "validator: expected one, received nothing. Give validator.class and validator.params.",
    );
  }
  const { model } = buildModel(recipe, task);
  const results = readResults(modelDir);
  try {
    for (let since = now(); now() - since <= entry.maximum_waiting_time;) {
      const step = nextStep(modelDir, results);
      if (step === undefined) {
        await sleep(
          entry.waiting_interval * 1000,
          undefined,
          signal === undefined ? {} : { signal },
        );
        continue;
      }
      const { path, weights } = loadCheckpoint(weightsPath(modelDir, `ckpt-${step}`));
      assignWeights(model, weights, path);
      const { score, metrics } = await validator.validate(model, step);
      results.push({ step, score, ...metrics });
      writeResults(modelDir, results);
      reporter.note(`step ${step}: score ${score.toFixed(4)}`);
      since = now();
    }
  } finally {
    validator.dispose?.();
    model.dispose();
  }
  return report(modelDir, results);
}

/** The first listed checkpoint without a judgement. */
function nextStep(modelDir: string, results: readonly Result[]): number | undefined {
  const judged = new Set(results.map(({ step }) => step));
  const listed = readIndex(modelDir)?.checkpoints ?? [];
  return listed.map(({ step }) => step).find((step) => !judged.has(step));
}

function readResults(modelDir: string): Result[] {
  const path = join(modelDir, RESULTS_FILE);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line, i) => {
    const parsed = resultSchema.safeParse(parseJson(line, `${path}:${i + 1}`));
    if (parsed.success) return parsed.data;
    throw new FormatError(
      `${path}:${i + 1}: expected the step and score of a checkpoint, received another value. ` +
        "Remove the line.",
    );
  });
}

function writeResults(modelDir: string, results: readonly Result[]): void {
  const lines = results.map((result) => `${JSON.stringify(result)}\n`);
  writeFileAtomic(join(modelDir, RESULTS_FILE), lines.join(""));
}

function report(modelDir: string, results: readonly Result[]): RunReport {
  const best = results.reduce<Result | null>(
    (top, result) => (top === null || result.score >= top.score ? result : top),
    null,
  );
  const path = join(modelDir, RESULTS_FILE);
  const text =
    best === null
      ? `no checkpoint appeared in ${modelDir}`
      : `${results.length} checkpoints judged, best: step ${best.step}, ${best.score.toFixed(4)}\n${path}`;
  return { json: { checkpoints: results, best, output_file: path }, text, interrupted: false };
}
