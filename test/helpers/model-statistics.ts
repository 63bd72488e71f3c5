/** Statistics as a file has them, for tests that need some and not real ones. */
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { shortPath } from "../../src/models/layer-paths.ts";
import type {
  ModelStatistics,
  OperationStatistics,
  TensorStatistics,
} from "../../src/core/tensor-statistics.ts";

/** A record of a normal-looking tensor between −reach and reach. */
export function statisticsRecord(reach: number): TensorStatistics {
  const counts = Float64Array.from({ length: 512 }, (_, i) =>
    Math.round(1e5 * Math.exp(-(((i - 255.5) / 80) ** 2))),
  );
  return {
    ...{ min: -reach, max: reach, avgMin: -0.7 * reach, avgMax: 0.7 * reach, mean: 0 },
    ...{ std: 0.22 * reach, b: 0.18 * reach, shape: "(4, 12)" },
    totalNumel: counts.reduce((a, b) => a + b, 0),
    histogram: { width: reach / 256, counts },
  };
}

/** One record for everything that the quantizers of a model look for. */
export function statisticsFor(model: Seq2SeqModel, reach: number): ModelStatistics {
  const record = statisticsRecord(reach);
  const all = new Map<string, OperationStatistics>();
  for (const layer of model.layers()) {
    for (const [name, { kind, path }] of layer.quantizers) {
      if (kind === "weight") continue;
      const isSide = name === "input" || name === "output";
      const operation = isSide ? shortPath(layer.name) : shortPath(path);
      all.set(operation, { inputs: new Map([[0, record]]), output: record });
    }
  }
  return all;
}
