/** The report of quantization for people. */
import type { QuantReport } from "../ptq/report.ts";
import { formatTable } from "./table.ts";

/** A report of quantization as tables. */
export function quantReportText({ tensors, floats }: QuantReport, output: string): string {
  const columns = [
    "path",
    "bits",
    "mode",
    "scale",
    "zero",
    "min",
    "max",
    "beyond",
    "SQNR",
    "range",
  ];
  const table = formatTable(
    columns.map((title, i) => ({ title, isNumber: i === 1 || (i >= 3 && i <= 8) })),
    tensors.map((tensor) => [
      tensor.path,
      String(tensor.bits),
      tensor.mode,
      spread(tensor.scale, 4),
      spread(tensor.zero_point, 4),
      tensor.min === null ? "" : tensor.min.toPrecision(4),
      tensor.max === null ? "" : tensor.max.toPrecision(4),
      tensor.saturated === null ? "" : `${(100 * tensor.saturated).toFixed(3)} %`,
      tensor.sqnr_db === null ? "" : `${tensor.sqnr_db.toFixed(1)} dB`,
      tensor.reason,
    ]),
  );
  const kept = floats.map(({ path, bits, reason, sqnr_db: ratio }) => {
    const noise = ratio === null ? "" : `, SQNR ${ratio.toFixed(1)} dB`;
    return `  ${path}: ${bits === 16 ? "float16, " : ""}${reason}${noise}`;
  });
  return [table, "", `${floats.length} float:`, ...kept, "", `${output}: quantized model`].join(
    "\n",
  );
}

/** One number, or the least and the most of several. */
function spread(values: number | readonly number[] | null, digits: number): string {
  if (values === null) return "";
  if (typeof values === "number") return String(Number(values.toPrecision(digits)));
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) =>
    String(Number(value.toPrecision(digits))),
  );
  return `${least!} … ${most!}`;
}
