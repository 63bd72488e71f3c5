import type { ModelStatistics } from "../quant/tensor-statistics.ts";
export function readStatistics(path: string): ModelStatistics {
  throw new Error(path);
}
