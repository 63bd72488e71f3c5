/** Measures steps of the plain TensorFlow.js program, on the backend as it is published. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jobOf, memoryUse, serve } from "./serve.ts";
import type { StepFinish, StepJob, StepRequest, StepStart, StepTurn } from "./step-protocol.ts";
import { StockTrainer } from "./stock-trainer.ts";
import { registerSegmentSum, StockTransformer } from "./stock-transformer.ts";
import type { PlainBatch } from "./workloads.ts";

const { workload, directory } = jobOf() as StepJob;
const batches = JSON.parse(readFileSync(join(directory, "batches.json"), "utf8")) as PlainBatch[];

await tf.setBackend("wasm");
registerSegmentSum();
const trainer = new StockTrainer(new StockTransformer(workload.size), workload);

async function turn(steps: number): Promise<StepTurn> {
  const milliseconds: number[] = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await trainer.step(batches[i]!);
    if (i > 0) milliseconds.push(performance.now() - start);
  }
  return { milliseconds };
}

await serve(async (line): Promise<StepStart | StepTurn | StepFinish> => {
  const request = line as StepRequest;
  if (request.command === "turn") return turn(request.steps);
  if (request.command === "finish") return memoryUse();
  return { version: null, kernels: null, fallbacks: null };
});
