/** Runs a recipe: the entry decides what happens. */
import { describeBackend, selectBackend } from "../backends/select.ts";
import { runEval, runSeqEval } from "./run-eval.ts";
import { runPredict } from "./run-predict.ts";
import type { RunContext, RunReport } from "./run-report.ts";
import { runTrain } from "./run-train.ts";
import { runValidation } from "./run-validation.ts";
import type { Recipe } from "./schema.ts";

/**
 * Trains, evaluates, predicts or validates as the recipe says, on the backend that it names.
 * @throws what the parts throw: configuration, data, checkpoint and training errors
 */
export async function runRecipe(recipe: Recipe, context: RunContext): Promise<RunReport> {
  const selected = await selectBackend(recipe.run.backend);
  const { backend, notice } = selected;
  if (notice !== null) context.reporter.note(notice);
  context.reporter.note(describeBackend(selected));
  const report = await runEntry(recipe, context);
  return { ...report, json: { entry: recipe.entry.class, backend, ...report.json } };
}

function runEntry(recipe: Recipe, context: RunContext): Promise<RunReport> {
  switch (recipe.entry.class) {
    case "train":
      return runTrain(recipe, recipe.entry, context);
    case "eval":
      return runEval(recipe, recipe.entry, context);
    case "seq_eval":
      return runSeqEval(recipe, recipe.entry, context);
    case "predict":
      return runPredict(recipe, recipe.entry, context);
    case "validation":
      return runValidation(recipe, recipe.entry, context);
  }
}
