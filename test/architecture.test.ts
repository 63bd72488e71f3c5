import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../src");

/** A folder may import its own layer and lower ones; docs/concepts.md draws the house. */
const LAYER: Readonly<Record<string, number>> = {
  core: 1,
  formats: 1,
  ops: 2,
  backends: 2,
  graph: 2,
  quant: 2,
  text: 2,
  data: 2,
  metrics: 2,
  decode: 2,
  layers: 3,
  models: 4,
  train: 5,
  ptq: 5,
  export: 5,
  runtime: 5,
  recipe: 6,
  native: 6,
  cli: 7,
};

/** External packages and the only places that may import them. */
const EXTERNAL: Readonly<Record<string, RegExp>> = {
  yargs: /^cli\/define-command\.ts$/,
  "yargs/helpers": /^cli\//,
  "js-yaml": /^formats\/yaml\.ts$/,
  zod: /^(quant|models|train|ptq|decode|data|text|metrics|recipe|cli)\//,
  fflate: /^formats\//,
  "@tensorflow/tfjs":
    /^(ops|backends|graph|quant|layers|models|train|ptq|export|recipe|native|cli)\//,
  "@tensorflow/tfjs-backend-wasm": /^backends\//,
};

/** Where Node's own modules may be imported, so that the rest runs in a browser. */
const NODE = /^(data|train|export|recipe|native|cli)\/|^runtime\/.*node/;

interface Import {
  readonly from: string;
  readonly target: string;
  readonly isTypeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const found: Import[] = [];
  const pattern = /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/g;
  for (const match of text.matchAll(pattern)) {
    if (match[1] === "export" && !match[0].includes(" from ")) continue;
    found.push({ from: file, target: match[3]!, isTypeOnly: match[2] !== undefined });
  }
  for (const match of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)) {
    found.push({ from: file, target: match[1]!, isTypeOnly: false });
  }
  return found;
}

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
const imports = files.flatMap(importsOf);

function resolved(entry: Import): string {
  return relative(root, normalize(join(root, dirname(entry.from), entry.target)));
}

function folderOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
}

describe("the architecture", () => {
  it("has only the rooms of the house", () => {
    const folders = new Set(files.map(folderOf).filter((folder) => folder !== ""));
    expect([...folders].filter((folder) => !(folder in LAYER))).toEqual([]);
    expect(files.filter((file) => folderOf(file) === "").sort()).toEqual(["errors.ts", "index.ts"]);
  });

  it("imports only downwards, and fifth-layer rooms do not import each other", () => {
    const wrong: string[] = [];
    for (const entry of imports.filter(({ target }) => target.startsWith("."))) {
      const target = resolved(entry);
      const [here, there] = [folderOf(entry.from), folderOf(target)];
      if (here === "" || target === "errors.ts" || here === there) continue;
      const [from, to] = [LAYER[here] ?? 0, LAYER[there] ?? 99];
      // A model's interface is known below it only as a type.
      if (to > from || (from === 5 && to === 5)) wrong.push(`${entry.from} -> ${target}`);
    }
    expect(wrong).toEqual([]);
  });

  it("has no side door into backends but from the recipe, the installer and the command line", () => {
    const wrong = imports
      .filter((entry) => entry.target.startsWith(".") && folderOf(resolved(entry)) === "backends")
      .filter((entry) => !/^(backends|recipe|native|cli)\/|^index\.ts$/.test(entry.from));
    expect(wrong.map((entry) => `${entry.from} -> ${entry.target}`)).toEqual([]);
  });

  it("imports external packages and Node's modules only where they belong", () => {
    const wrong: string[] = [];
    for (const { from, target } of imports.filter((entry) => !entry.target.startsWith("."))) {
      const allowed = target.startsWith("node:") ? NODE : EXTERNAL[target];
      if (allowed === undefined || !allowed.test(from)) wrong.push(`${from} -> ${target}`);
    }
    expect(wrong).toEqual([]);
  });

  it("lets the integer reference executor see nothing but core and formats", () => {
    const wrong = imports
      .filter(
        (entry) => entry.from.startsWith("runtime/reference/") && entry.target.startsWith("."),
      )
      .map((entry) => ({ entry, folder: folderOf(resolved(entry)) }))
      .filter(({ folder }) => !["", "core", "formats", "runtime"].includes(folder));
    expect(wrong.map(({ entry }) => `${entry.from} -> ${entry.target}`)).toEqual([]);
  });

  it("has one barrel: no other file re-exports", () => {
    const wrong = files.filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return file !== "index.ts" && /^export\s+(\*|(type\s+)?\{[^}]*\})\s+from\s/m.test(text);
    });
    expect(wrong).toEqual([]);
  });

  it("has no cycle of value imports", () => {
    const next = new Map<string, string[]>();
    for (const entry of imports.filter((e) => e.target.startsWith(".") && !e.isTypeOnly)) {
      next.set(entry.from, [...(next.get(entry.from) ?? []), resolved(entry)]);
    }
    const cycles: string[] = [];
    const state = new Map<string, "open" | "done">();
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open") {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
        return;
      }
      state.set(file, "open");
      for (const target of next.get(file) ?? []) visit(target, [...path, file]);
      state.set(file, "done");
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
