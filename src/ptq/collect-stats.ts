/** Statistics of a model's tensors, from whatever evaluates it. */
import type { Seq2SeqModel } from "../models/model.ts";
import { shortPath } from "../models/layer-paths.ts";
import { watchModel, type WatchOptions } from "../models/watched-model.ts";
import { StatisticsCollector } from "../quant/statistics-collector.ts";
import type { ModelStatistics } from "../core/tensor-statistics.ts";

/**
 * Runs an evaluation over the float model, a search or a loss, and returns what its operations saw:
 * one pass over the data, padding left out, in memory that does not depend on how much data there is.
 *
 * @param model float or quantized; quantization is left out while it is watched
 * @param evaluate runs the model that it is given, in any passes
 * @returns statistics by short path; histograms have `HISTOGRAM_CELLS` cells
 * @throws {TrainingError} naming the operation for NaN or an infinity, and what `evaluate` throws
 */
export async function collectStats(
  model: Seq2SeqModel,
  evaluate: (watched: Seq2SeqModel) => unknown,
  options: WatchOptions = {},
): Promise<ModelStatistics> {
  const collector = new StatisticsCollector(shortPath);
  await evaluate(watchModel(model, collector, options));
  return collector.statistics();
}
