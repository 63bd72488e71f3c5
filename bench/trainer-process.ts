/** Measures steps of our trainer, run by a recipe as run_exp runs it. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { selectBackend } from "../src/backends/select.ts";
import { runRecipe } from "../src/recipe/run.ts";
import type { RunContext } from "../src/recipe/run-report.ts";
import { runTrain } from "../src/recipe/run-train.ts";
import { KernelSwitch } from "./kernel-switch.ts";
import { jobOf, memoryUse, serve } from "./serve.ts";
import type { StepFinish, StepJob, StepRequest, StepStart, StepTurn } from "./step-protocol.ts";
import { recipeOf } from "./workloads.ts";

const { variant, workload, directory } = jobOf() as StepJob;
const kernelSwitch = await KernelSwitch.install();
const backend = await selectBackend("wasm");
const isPlain = variant === "compositions";
if (isPlain) kernelSwitch.useStock();

/** A run in a new directory. The trainer reports each step when it is done. */
async function turn(steps: number): Promise<StepTurn> {
  const modelDir = mkdtempSync(join(directory, "run-"));
  const recipe = recipeOf(workload, directory, { quantized: variant === "qat", modelDir, steps });
  const ticks: number[] = [];
  const context: RunContext = {
    reporter: {
      note: () => undefined,
      progress: (label) => ({
        update: () => {
          if (label === "train") ticks.push(performance.now());
        },
        end: () => undefined,
      }),
    },
    now: () => performance.now() / 1000,
  };
  try {
    // A recipe's run would register the kernels again.
    if (isPlain && recipe.entry.class === "train") await runTrain(recipe, recipe.entry, context);
    else await runRecipe(recipe, context);
  } finally {
    rmSync(modelDir, { recursive: true });
  }
  return { milliseconds: ticks.slice(1).map((tick, i) => tick - ticks[i]!) };
}

await serve(async (line): Promise<StepStart | StepTurn | StepFinish> => {
  const request = line as StepRequest;
  if (request.command === "turn") return turn(request.steps);
  if (request.command === "finish") return memoryUse();
  const { kernels, fallbacks } = backend;
  if (isPlain) return { version: null, kernels: [], fallbacks: [...kernels, ...fallbacks] };
  return { version: null, kernels, fallbacks };
});
