/** JSON text to values and back: duplicate keys and `__proto__` refused, output always the same. */
import { FormatError } from "../errors.ts";

/** A value that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Deeper nesting than this is refused: it serves no file of ours and can exhaust the stack. */
const MAX_DEPTH = 200;

/**
 * Parses JSON text (RFC 8259).
 * @param where names the source in messages, such as a file name
 * @throws {FormatError} if the text is no JSON, nests deeper than 200, repeats a key within one
 *   object, or has a key `__proto__`
 */
export function parseJson(text: string, where: string): JsonValue {
  checkKeys(text, where);
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    // The engine quotes the text with its line ends; a message is one line.
    const reason = (error as Error).message.replaceAll(/\s+/g, " ");
    throw new FormatError(
      `${where}: expected JSON, received ${excerpt(text)} (${reason}). ` +
        `Restore or rewrite the file.`,
      { cause: error },
    );
  }
}

/** Walks the tokens of (presumed) JSON and looks at each key; syntax is JSON.parse's business. */
function checkKeys(text: string, where: string): void {
  const token = /"(?:[^"\\]|\\[^])*"|[{}[\]:]/g;
  const open: (Set<string> | null)[] = [];
  let lastString = '""';
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const found = match[0];
    if (found === "{") open.push(new Set());
    else if (found === "[") open.push(null);
    else if (found === "}" || found === "]") open.pop();
    else if (found === ":") addKey(open.at(-1), lastString, { text, where, at: match.index });
    else lastString = found;
    if (open.length > MAX_DEPTH) {
      throw new FormatError(
        `${where}: expected at most ${MAX_DEPTH} nested levels, received more at ` +
          `${lineAt(text, match.index)}. Flatten the file.`,
      );
    }
  }
}

function addKey(
  keys: Set<string> | null | undefined,
  quoted: string,
  place: { text: string; where: string; at: number },
): void {
  const key = unquote(quoted);
  if (!keys || key === undefined) return; // malformed: JSON.parse will say so
  if (!keys.has(key) && key !== "__proto__") {
    keys.add(key);
    return;
  }
  const received = keys.has(key) ? `"${key}" twice` : `"${key}"`;
  throw new FormatError(
    `${place.where}: expected distinct plain keys, received ${received} at ` +
      `${lineAt(place.text, place.at)}. Remove or rename one.`,
  );
}

function unquote(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

function lineAt(text: string, at: number): string {
  return `line ${text.slice(0, at).split("\n").length}`;
}

function excerpt(text: string): string {
  return text === "" ? "an empty text" : JSON.stringify(text.slice(0, 40));
}

/**
 * JSON text of a value: keys in the order given, two spaces a level, arrays of plain values on one
 * line, a newline at the end.
 * @throws {FormatError} for NaN, ±Infinity and whatever else JSON cannot hold
 */
export function formatJson(value: JsonValue): string {
  return formatValue(value, "") + "\n";
}

function formatValue(value: unknown, indent: string): string {
  const inner = indent + "  ";
  if (Array.isArray(value)) {
    const items = value.map((item) => formatValue(item, inner));
    return value.every((item) => typeof item !== "object" || item === null)
      ? `[${items.join(", ")}]`
      : `[\n${inner}${items.join(`,\n${inner}`)}\n${indent}]`;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return "{}";
    const lines = entries.map(([key, item]) => {
      return `${inner}${JSON.stringify(key)}: ${formatValue(item, inner)}`;
    });
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || (typeof value === "number" && !Number.isFinite(value))) {
    throw new FormatError(
      `JSON: expected strings, finite numbers, booleans, null, arrays and objects, received ` +
        `${String(value)}. Leave the value out or write it as a string.`,
    );
  }
  return text;
}

/**
 * The number with the fewest digits (6 to 9) that rounds to the float32 `x`: 0.1 rather than
 * 0.10000000149011612. Readers get x back with Math.fround.
 */
export function shortestFloat32(x: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
  return Number(x.toPrecision(9));
}
