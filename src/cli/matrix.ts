/** Integer matrices as text: corners, with … for what is left out. */

/** Rows and columns shown at each end. */
const EDGE = 3;

/**
 * A row-major array in the style of NumPy; tensors of more than two axes are shown as a matrix of
 * their last axis.
 */
export function formatMatrix(codes: ArrayLike<number>, shape: readonly number[]): string {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const shownRows = edges(rows);
  const shownColumns = edges(columns);
  const cell = (row: number, column: number | null): string =>
    column === null ? "..." : String(codes[row * columns + column]!);
  const numbers = shownRows.flatMap((row) =>
    row === null ? [] : shownColumns.flatMap((c) => (c === null ? [] : [cell(row, c).length])),
  );
  const width = Math.max(...numbers);
  const lines = shownRows.map((row) => {
    if (row === null) return "...";
    const cells = shownColumns.map((c) => (c === null ? "..." : cell(row, c).padStart(width)));
    return `[${cells.join(", ")}]`;
  });
  if (shape.length < 2) return lines[0]!;
  return `[${lines.map((line, i) => `${i === 0 ? "" : " "}${line}`).join(",\n")}]`;
}

/** Indices at both ends, null for the gap. */
function edges(length: number): (number | null)[] {
  if (length <= 2 * EDGE) return Array.from({ length }, (_, i) => i);
  const head = Array.from({ length: EDGE }, (_, i) => i);
  return [...head, null, ...head.map((i) => length - EDGE + i)];
}
