/** What a search has found so far, on disk: after a kill it goes on where it was. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ConfigError } from "../errors.ts";

/** What the numbers depend on, such as hashes of the model and the text. */
export type Fingerprint = Readonly<Record<string, string>>;

const lineSchema = z.strictObject({ key: z.string(), value: z.number() });
const headSchema = z.strictObject({ of: z.record(z.string(), z.string()) });

/** Numbers by key, one JSON object a line after a line with the fingerprint. */
export class SearchMemo {
  readonly #path: string;
  readonly #values: Map<string, number>;

  private constructor(path: string, values: Map<string, number>) {
    this.#path = path;
    this.#values = values;
  }

  /**
   * Opens a file, or begins one. A last line that a kill has cut off is dropped.
   * @throws {ConfigError} if the file is of another search
   */
  static open(path: string, fingerprint: Fingerprint): SearchMemo {
    const head = `${JSON.stringify({ of: fingerprint })}\n`;
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    const lines = text.split("\n").slice(0, -1);
    if (text !== "") checkHead(path, lines[0] ?? text, fingerprint);
    const entries = lines.slice(1).map((line, i) => parsedLine(line, `${path}:${i + 2}`));
    const kept = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    writeFileAtomic(path, [head, ...kept].join(""));
    return new SearchMemo(path, new Map(entries.map(({ key, value }) => [key, value])));
  }

  /** How many numbers are known. */
  get size(): number {
    return this.#values.size;
  }

  /** The number under a key, computed where it is not known. */
  async remember(key: string, compute: () => Promise<number>): Promise<number> {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const value = await compute();
    this.#values.set(key, value);
    appendFileSync(this.#path, `${JSON.stringify({ key, value })}\n`);
    return value;
  }
}

function checkHead(path: string, line: string, fingerprint: Fingerprint): void {
  const parsed = headSchema.safeParse(parsedJson(line));
  const of = parsed.success ? parsed.data.of : null;
  const other = Object.keys({ ...of, ...fingerprint }).find(
    (name) => of?.[name] !== fingerprint[name],
  );
  if (of !== null && other === undefined) return;
  throw new ConfigError(
    `${path}: expected a search of the same model, text and settings, received one with ` +
      `${of === null ? "no first line that says so" : `another ${other}`}. Give another output, or ` +
      "remove the file to search anew.",
  );
}

function parsedLine(line: string, where: string): z.output<typeof lineSchema> {
  const parsed = lineSchema.safeParse(parsedJson(line));
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    `${where}: expected a key and a number, received ${JSON.stringify(line.slice(0, 40))}. ` +
      "Remove the line.",
  );
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
