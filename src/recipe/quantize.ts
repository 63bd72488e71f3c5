/** Post-training quantization of a model on disk. */
import { selectBackend } from "../backends/select.ts";
import { readTextFile } from "../data/text-file.ts";
import { type OverridesDialect, parseOverrides } from "../ptq/overrides.ts";
import { printPlan } from "../ptq/print-plan.ts";
import {
  applyQuantization,
  prepareQuantization,
  type QuantizeOptions,
} from "../ptq/quantize-model.ts";
import type { QuantReport } from "../ptq/report.ts";
import { treatmentLines } from "../ptq/treatments.ts";
import type { QuantParamsInput } from "../quant/config.ts";
import { readStatistics } from "./read-statistics.ts";
import { loadModel } from "./load-model.ts";
import { refuseOccupied, writeQuantized } from "./write-quantized.ts";

/** What is quantized, how, and where to. */
export interface QuantizeRequest {
  /** A model directory, a checkpoint file or an int8 export. */
  readonly path: string;
  /** Directory to write, new or empty; null writes nothing. */
  readonly output: string | null;
  /** File of statistics; null: ranges of the live tensors. */
  readonly stats: string | null;
  /** File of overrides, or null. */
  readonly overrides: string | null;
  /** Null: told by the keys of the file. */
  readonly dialect: OverridesDialect | null;
  readonly quantParams: QuantParamsInput;
}

/** What came of it. */
export interface QuantizeOutcome {
  readonly output: string | null;
  /** The plan in the form of Distiller's printed model. */
  readonly plan: string;
  /** Null where nothing was written. */
  readonly report: QuantReport | null;
  readonly notes: readonly string[];
}

/**
 * Plans the quantization of a model and, where there is an output, writes the quantized model: a
 * directory like that of a training run, and the report.
 * @param onPlan is given the plan before anything is quantized
 * @throws {ConfigError} if the output holds something; as `quantizeModel` for settings and files
 */
export async function quantizeOnDisk(
  request: QuantizeRequest,
  onPlan: (plan: string) => void = () => undefined,
): Promise<QuantizeOutcome> {
  const { output } = request;
  if (output !== null) refuseOccupied(output);
  const options = quantizeOptions(request);
  await selectBackend("cpu");
  const loaded = loadModel(request.path);
  try {
    const prepared = prepareQuantization(loaded.model, options);
    const { model, config, notes } = prepared;
    try {
      const plan = [...treatmentLines(model), printPlan(model, prepared.plan)].join("\n");
      onPlan(plan);
      if (output === null) return { output, plan, report: null, notes };
      const { report } = applyQuantization(loaded.model, prepared);
      writeQuantized(output, { ...loaded, model }, { config, report });
      return { output, plan, report, notes };
    } finally {
      model.dispose();
    }
  } finally {
    loaded.model.dispose();
  }
}

/** The options of `quantizeModel`, its files read. */
export function quantizeOptions({
  stats,
  overrides,
  dialect,
  quantParams,
}: QuantizeRequest): QuantizeOptions {
  const file =
    overrides === null
      ? null
      : parseOverrides(
          readTextFile(overrides, "a file of overrides", "Check --overrides."),
          overrides,
          dialect,
        );
  const statistics = stats === null ? null : readStatistics(stats);
  return { statistics, quantParams, overrides: file };
}
