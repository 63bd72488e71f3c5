/** Statistics from disk. */
import { existsSync, readFileSync } from "node:fs";
import type { ModelStatistics } from "../core/tensor-statistics.ts";
import { readTextFile } from "../data/text-file.ts";
import { parseStatisticsYaml } from "../formats/distiller-statistics.ts";
import { histogramsPath, withHistograms } from "../formats/statistics-histograms.ts";

/**
 * Reads a YAML file of statistics, ours or Distiller's, with the histograms beside it if there are any.
 * @throws {DataError} if the file cannot be read; {@link FormatError} if it does not follow the format
 */
export function readStatistics(path: string): ModelStatistics {
  const text = readTextFile(path, "a file of statistics", 'Make one with "tfjs-qat calibrate".');
  const statistics = parseStatisticsYaml(text, path);
  const histograms = histogramsPath(path);
  return existsSync(histograms)
    ? withHistograms(statistics, readFileSync(histograms), histograms)
    : statistics;
}
