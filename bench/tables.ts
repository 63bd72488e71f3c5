/** Tables as Markdown, padded so that they read well as plain text too. */

/** A column: numbers go to the right. */
export interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
}

export type Cells = readonly string[];

export const text = (title: string): Column => ({ title });
export const number = (title: string): Column => ({ title, isNumber: true });

export function markdownTable(columns: readonly Column[], rows: readonly Cells[]): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]!.length)),
  );
  const line = (cells: Cells): string => {
    const padded = cells.map((cell, i) =>
      columns[i]!.isNumber === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!),
    );
    return `| ${padded.join(" | ")} |`;
  };
  const rule = columns.map(({ isNumber }, i) =>
    isNumber === true ? `${"-".repeat(widths[i]! - 1)}:` : "-".repeat(widths[i]!),
  );
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].join("\n");
}

/** Three significant digits or so: 1,234, 56.7, 8.90, 0.0123. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size >= 10) return value.toFixed(1);
  if (size >= 1 || size === 0) return value.toFixed(2);
  return value.toPrecision(3);
}

/** A size in MiB. */
export function mebibytes(bytes: number | null): string {
  return bytes === null ? "–" : Math.round(bytes / 2 ** 20).toLocaleString("en-US");
}
