/** Writes a model that was quantized after training: a directory like that of a training run. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ConfigError } from "../errors.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import type { QuantReport } from "../ptq/report.ts";
import { type QuantConfig, toQuantParams } from "../quant/config.ts";
import { CheckpointStore } from "../train/checkpoint-store.ts";
import type { LoadedModel } from "./load-model.ts";
import { writeModelConfigs } from "./model-configs.ts";

/** Name of the report beside the model. */
const QUANT_REPORT_FILE = "report.json";

/**
 * Refuses a directory that holds something.
 * @param resumed file of an earlier call that goes on there; null: none may
 * @throws {ConfigError}
 */
export function refuseOccupied(output: string, resumed: string | null = null): void {
  if (!existsSync(output)) return;
  const isDirectory = statSync(output).isDirectory();
  const names = isDirectory ? readdirSync(output) : [];
  if (isDirectory && names.length === 0) return;
  // The report is written last: without it, the earlier call did not come to its end.
  if (resumed !== null && names.includes(resumed) && !names.includes(QUANT_REPORT_FILE)) return;
  throw new ConfigError(
    `--output: expected a new or empty directory, received ${output}, which is ` +
      `${isDirectory ? "a directory with files" : "a file"}. Choose another.`,
  );
}

/** Writes settings, vocabulary, weights and, last, the report. */
export function writeQuantized(
  directory: string,
  { model, recipe, step }: Pick<LoadedModel, "recipe" | "step"> & { model: Seq2SeqModel },
  { config, report }: { readonly config: QuantConfig; readonly report: QuantReport },
): void {
  const run = { ...recipe.run, enable_quant: true, quant_params: toQuantParams(config) };
  writeModelConfigs(directory, { ...recipe, run }, model);
  const weights = new Map(
    Array.from(model.variables, ([name, variable]) => [
      name,
      { shape: variable.shape, data: Float32Array.from(variable.dataSync<"float32">()) },
    ]),
  );
  const store = CheckpointStore.open(directory);
  const entry = { name: `ckpt-${step ?? 0}`, step: step ?? 0 };
  store.write(entry, weights);
  store.commit([entry]);
  writeFileAtomic(join(directory, QUANT_REPORT_FILE), `${JSON.stringify(report, null, 1)}\n`);
}
