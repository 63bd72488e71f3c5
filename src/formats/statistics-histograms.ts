/**
 * Histograms of statistics, in the safetensors file that lies beside their YAML: for each record
 * `<operation>.inputs.<number>` or `<operation>.output`, named as there, the float64 counts of the cells
 * that are not empty at either end, and in the metadata where these cells are.
 */
import type {
  ModelStatistics,
  TensorStatistics,
  ValueHistogram,
} from "../core/tensor-statistics.ts";
import { FormatError } from "../errors.ts";
import {
  readSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type SafeTensor,
} from "./safetensors.ts";

/** Name of the file beside `<name>.yaml`. */
export function histogramsPath(yamlPath: string): string {
  return `${yamlPath.replace(/\.ya?ml$/, "")}.histograms.safetensors`;
}

/** The file's bytes; the same statistics give the same bytes. */
export function formatHistograms(statistics: ModelStatistics): Uint8Array {
  const tensors: [string, SafeTensor][] = [];
  const metadata: Record<string, string> = {};
  for (const [name, { histogram }] of records(statistics)) {
    if (histogram === null) continue;
    const { width, counts } = histogram;
    const begin = Math.max(
      counts.findIndex((count) => count > 0),
      0,
    );
    const end = counts.findLastIndex((count) => count > 0) + 1;
    const data = counts.slice(begin, Math.max(end, begin));
    tensors.push([name, { dtype: "F64", shape: [data.length], data }]);
    metadata[name] = JSON.stringify({ width, begin, cells: counts.length });
  }
  return writeSafetensors(tensors, metadata);
}

/**
 * The statistics with their histograms; records that the file does not know stay without.
 * @param where names the file in messages
 * @throws {FormatError} for a file that does not follow the format
 */
export function withHistograms(
  statistics: ModelStatistics,
  bytes: Uint8Array,
  where: string,
): ModelStatistics {
  const file = readSafetensors(bytes, where);
  const add = (name: string, record: TensorStatistics): TensorStatistics => ({
    ...record,
    histogram: histogramOf(file, name, where),
  });
  return new Map(
    [...statistics].map(([path, { inputs, output }]) => {
      const name = path.replaceAll("/", ".");
      const numbered = [...inputs].map(
        ([number, record]) => [number, add(`${name}.inputs.${number}`, record)] as const,
      );
      const own = { inputs: new Map(numbered), output: output && add(`${name}.output`, output) };
      return [path, own];
    }),
  );
}

function histogramOf(
  { tensors, metadata }: SafetensorsFile,
  name: string,
  where: string,
): ValueHistogram | null {
  const tensor = tensors.get(name);
  if (tensor === undefined) return null;
  const place = placeOf(metadata[name] ?? "");
  const fits = place !== null && tensor.dtype === "F64" && tensor.shape.length === 1;
  if (!fits || place.begin + tensor.data.length > place.cells) {
    throw new FormatError(
      `${where}, "${name}": expected float64 counts and where they are, received ` +
        `${tensor.dtype} [${tensor.shape.join(", ")}] at "${metadata[name] ?? ""}". ` +
        "Collect the statistics again.",
    );
  }
  const counts = new Float64Array(place.cells);
  counts.set(tensor.data, place.begin);
  return { width: place.width, counts };
}

/** Text such as `{"width":0.125,"begin":3,"cells":4096}`; null for any other. */
function placeOf(text: string): { width: number; begin: number; cells: number } | null {
  const match = /^\{"width":([-+.e\d]+),"begin":(\d+),"cells":(\d{1,7})\}$/.exec(text);
  if (match === null) return null;
  const [width, begin, cells] = match.slice(1).map(Number) as [number, number, number];
  return Number.isFinite(width) ? { width, begin, cells } : null;
}

function* records(statistics: ModelStatistics): Generator<[string, TensorStatistics]> {
  for (const [path, { inputs, output }] of statistics) {
    const name = path.replaceAll("/", ".");
    for (const [number, record] of inputs) yield [`${name}.inputs.${number}`, record];
    if (output !== null) yield [`${name}.output`, output];
  }
}
