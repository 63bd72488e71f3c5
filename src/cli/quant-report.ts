/** The report of quantization for people. */
import type { QuantReport, QuantizedTensorReport } from "../ptq/report.ts";
import type { CommandIo } from "./command-io.ts";
import { formatTable } from "./table.ts";

interface ReportColumn {
  readonly title: string;
  readonly isNumber: boolean;
  readonly cell: (tensor: QuantizedTensorReport) => string;
}

const COLUMNS: readonly ReportColumn[] = [
  { title: "path", isNumber: false, cell: ({ path }) => path },
  { title: "bits", isNumber: true, cell: ({ bits }) => String(bits) },
  { title: "mode", isNumber: false, cell: ({ mode }) => mode },
  { title: "scale", isNumber: true, cell: ({ scale }) => spread(scale) },
  { title: "zero", isNumber: true, cell: ({ zero_point: zero }) => spread(zero) },
  { title: "min", isNumber: true, cell: ({ min }) => min?.toPrecision(4) ?? "" },
  { title: "max", isNumber: true, cell: ({ max }) => max?.toPrecision(4) ?? "" },
  {
    ...{ title: "beyond", isNumber: true },
    cell: ({ saturated }) => (saturated === null ? "" : `${(100 * saturated).toFixed(3)} %`),
  },
  {
    ...{ title: "SQNR", isNumber: true },
    cell: ({ sqnr_db: sqnr }) => (sqnr === null ? "" : `${sqnr.toFixed(1)} dB`),
  },
  { title: "range", isNumber: false, cell: ({ reason }) => reason },
];
/** What a narrow terminal shows first: where a model loses, and then why. */
const PRIORITY = ["path", "SQNR", "beyond", "bits", "range", "max", "min", "scale", "zero", "mode"];
/** Between two columns of a table. */
const GAP = 2;

/** Columns of a terminal; what is piped or written to a file has all of them. */
export function reportWidth({ isTerminal, columns }: CommandIo): number {
  return isTerminal && process.stdout.isTTY ? columns : Infinity;
}

/**
 * A report of quantization as tables.
 * @param width of the terminal, whose lines show only the columns that fit; Infinity: all columns
 */
export function quantReportText(
  { tensors, floats }: QuantReport,
  output: string,
  width: number,
): string {
  const columns = fitting(tensors, width);
  const table = formatTable(
    columns,
    tensors.map((tensor) => columns.map(({ cell }) => cell(tensor))),
  );
  const hidden = COLUMNS.filter((column) => !columns.includes(column)).map(({ title }) => title);
  const more =
    hidden.length === 0
      ? []
      : [`Not shown for want of room: ${hidden.join(", ")}; see report.json.`];
  const kept = floats.map(({ path, bits, reason, sqnr_db: ratio }) => {
    const noise = ratio === null ? "" : `, SQNR ${ratio.toFixed(1)} dB`;
    return `  ${path}: ${bits === 16 ? "float16, " : ""}${reason}${noise}`;
  });
  return [
    ...[table, ...more, "", `${floats.length} float:`, ...kept],
    ...["", `${output}: quantized model`],
  ].join("\n");
}

function fitting(
  tensors: readonly QuantizedTensorReport[],
  width: number,
): readonly ReportColumn[] {
  let room = width + GAP;
  const shown = new Set<string>();
  for (const title of PRIORITY) {
    const { cell } = COLUMNS.find((column) => column.title === title)!;
    const needed = Math.max(title.length, ...tensors.map((tensor) => cell(tensor).length)) + GAP;
    if (needed > room && title !== "path") continue;
    room -= needed;
    shown.add(title);
  }
  return COLUMNS.filter(({ title }) => shown.has(title));
}

/** One number, or the least and the most of several. */
function spread(values: number | readonly number[] | null): string {
  if (values === null) return "";
  const all = [values].flat();
  const [least, most] = [Math.min(...all), Math.max(...all)].map((value) =>
    String(Number(value.toPrecision(4))),
  );
  return least === most ? least! : `${least!} … ${most!}`;
}
