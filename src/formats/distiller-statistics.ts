/**
 * Statistics in the layout of IntelLabs/distiller's `acts_quantization_stats.yaml`: by name of the
 * operation, with a dot for each `/` of our paths, its `inputs` by number and its `output`.
 * @see IntelLabs/distiller, commit d859fc85, distiller/data_loggers/collector.py,
 *   QuantCalibrationStatsCollector
 */
import type {
  ModelStatistics,
  OperationStatistics,
  TensorStatistics,
} from "../core/tensor-statistics.ts";
import { FormatError } from "../errors.ts";
import { formatYaml, parseYaml, type YamlValue } from "./yaml.ts";

type YamlMap = Readonly<Record<string, YamlValue>>;

/**
 * Reads statistics. Records may lack `b`, `shape` and `total_numel`, and `std` may be NaN: single
 * elements have none there. Other keys of a record are passed over; there are no histograms.
 * @param where names the file in messages
 * @throws {FormatError} for a record without one of min, max, avg_min, avg_max and mean, or with
 *   something else than numbers, naming the operation
 */
export function parseStatisticsYaml(text: string, where: string): ModelStatistics {
  const root = mapOf(parseYaml(text, where) ?? {}, where);
  return new Map(
    Object.entries(root).map(([name, value]) => {
      const at = `${where}, ${name}`;
      return [name.replaceAll(".", "/"), operationOf(mapOf(value, at), at)];
    }),
  );
}

function operationOf({ inputs, output }: YamlMap, where: string): OperationStatistics {
  const entries = Object.entries(inputs === undefined ? {} : mapOf(inputs, `${where}, inputs`));
  return {
    inputs: new Map(
      entries.map(([number, record]) => {
        const at = `${where}, inputs, ${number}`;
        if (!/^\d+$/.test(number)) throw wrong(at, "an input's number", number);
        return [Number(number), recordOf(mapOf(record, at), at)];
      }),
    ),
    output:
      output === undefined || output === null
        ? null
        : recordOf(mapOf(output, `${where}, output`), `${where}, output`),
  };
}

function recordOf(record: YamlMap, where: string): TensorStatistics {
  const optional = (key: string): number | null => {
    const value = record[key] ?? null;
    if (value === null || Number.isNaN(value)) return null;
    if (typeof value !== "number") throw wrong(`${where}, ${key}`, "a number", value);
    return value;
  };
  const required = (key: string): number => {
    const value = optional(key);
    if (value === null || !Number.isFinite(value)) {
      throw wrong(`${where}, ${key}`, "a finite number", record[key]);
    }
    return value;
  };
  const shape = record["shape"] ?? "";
  if (typeof shape !== "string") throw wrong(`${where}, shape`, "text", shape);
  return {
    min: required("min"),
    max: required("max"),
    avgMin: required("avg_min"),
    avgMax: required("avg_max"),
    mean: required("mean"),
    std: optional("std"),
    b: optional("b"),
    shape,
    totalNumel: optional("total_numel"),
    histogram: null,
  };
}

function mapOf(value: YamlValue, where: string): YamlMap {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw wrong(where, "a mapping", value);
}

function wrong(where: string, expected: string, received: unknown): FormatError {
  return new FormatError(
    `${where}: expected ${expected}, received ${received === undefined ? "nothing" : JSON.stringify(received)}. ` +
      "Collect the statistics again, or correct the file there.",
  );
}

/**
 * YAML of statistics, without histograms, which have a file of their own. The same statistics give
 * the same text, and {@link parseStatisticsYaml} gives every number back.
 */
export function formatStatisticsYaml(statistics: ModelStatistics): string {
  const operations = [...statistics].map(([path, { inputs, output }]) => {
    const numbered = [...inputs].map(([number, record]) => [number, yamlOf(record)] as const);
    const operation = {
      inputs: Object.fromEntries(numbered),
      ...(output === null ? {} : { output: yamlOf(output) }),
    };
    return [path.replaceAll("/", "."), operation] as const;
  });
  // Distiller looks inputs up by integers; keys of objects are text, which the library would quote.
  return formatYaml(Object.fromEntries(operations)).replace(/^( +)'(\d+)':/gm, "$1$2:");
}

function yamlOf(record: TensorStatistics): Record<string, number | string> {
  const { min, max, avgMin, avgMax, mean, std, b, shape, totalNumel } = record;
  return {
    ...{ min, max, avg_min: avgMin, avg_max: avgMax, mean },
    ...(std === null ? {} : { std }),
    ...(b === null ? {} : { b }),
    shape,
    ...(totalNumel === null ? {} : { total_numel: totalNumel }),
  };
}
