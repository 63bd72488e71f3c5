/** The lines of a fixture that differ from a base, by index. */
export type LineChanges = Readonly<Record<string, string>>;

/** The base with the changed lines put in. */
export function applyChanges(base: readonly string[], changes: LineChanges): string[] {
  return base.map((line, index) => changes[String(index)] ?? line);
}
