/** Which statistics tell the range of a quantizer. */
import type { ModelStatistics, TensorStatistics } from "../core/tensor-statistics.ts";

/**
 * The statistics that tell the range of a quantizer: of the input of an operation for
 * `<operation>/input`, of its result for `<operation>/output` and `<operation>`.
 * @param path short path of the quantizer
 * @returns null where there are none
 */
export function statisticsOf(statistics: ModelStatistics, path: string): TensorStatistics | null {
  const [, operation, side] = /^(.*)\/(input|output)$/.exec(path) ?? [null, path, "output"];
  const found = statistics.get(operation) ?? null;
  const of = side === "input" ? found?.inputs.get(0) : found?.output;
  return of ?? (side === "output" ? (statistics.get(path)?.output ?? null) : null);
}
