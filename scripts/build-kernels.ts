/**
 * Compiles the SIMD kernels in assembly/ and writes them, in base64, to
 * src/backends/wasm/binary.ts: once for memory of one thread and once for shared memory. Does nothing
 * where that file was made of the present sources.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const sources = join(root, "assembly");
// As a program: the types of its module would change those of Array for all files.
const compiler = join(root, "node_modules/assemblyscript/bin/asc.js");
const target = join(root, "src/backends/wasm/binary.ts");

const OPTIONS = [
  ...["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--noExportMemory"],
  // Exports of files that the entry file does not export are no exports of the module.
  ...["--enable", "simd", "--disableWarning", "112"],
];
const VARIANTS = {
  SIMD_BINARY: OPTIONS,
  SHARED_SIMD_BINARY: [
    ...OPTIONS,
    ...["--enable", "threads", "--sharedMemory", "--maximumMemory", "65536"],
  ],
};

/** Sections that would lie on the host's memory, or make instances differ. */
const FORBIDDEN_SECTIONS: Readonly<Record<number, string>> = {
  4: "table",
  5: "memory",
  6: "global",
  8: "start",
  11: "data",
};

function hashOfSources(): string {
  const hash = createHash("sha256");
  hash.update(readFileSync(import.meta.filename));
  hash.update(readFileSync(join(root, "node_modules/assemblyscript/package.json")));
  for (const file of readdirSync(sources).sort()) hash.update(readFileSync(join(sources, file)));
  return hash.digest("hex");
}

function compile(name: string, options: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "tfjs-qat-kernels-"));
  const file = join(folder, "kernels.wasm");
  try {
    const files = [join(sources, "index.ts"), "--baseDir", root, "--outFile", file];
    execFileSync(process.execPath, [compiler, ...files, ...options], { stdio: "inherit" });
    const bytes = readFileSync(file);
    checkSections(name, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function checkSections(name: string, bytes: Uint8Array): void {
  let at = 8;
  while (at < bytes.length) {
    const section = bytes[at]!;
    const forbidden = FORBIDDEN_SECTIONS[section];
    if (forbidden !== undefined) {
      throw new Error(
        `${name}: expected no ${forbidden} section, received one. ` +
          `Kernels get all memory by address: remove globals, literals of arrays or strings, calls by reference.`,
      );
    }
    let size = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[++at]!;
      size |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127);
    at += 1 + size;
  }
}

const header = `// Made of assembly/ by scripts/build-kernels.ts. Sources: ${hashOfSources()}\n`;
const isFresh = existsSync(target) && readFileSync(target, "utf8").startsWith(header);
if (!isFresh) {
  const parts = [header];
  for (const [name, options] of Object.entries(VARIANTS)) {
    const bytes = compile(name, options);
    const what = name.startsWith("SHARED") ? "shared memory" : "memory of one thread";
    parts.push(
      `/** The kernels for ${what}: ${bytes.length} bytes, base64. */\n`,
      `export const ${name} =\n  "${Buffer.from(bytes).toString("base64")}";\n`,
    );
  }
  writeFileSync(target, parts.join(""));
}
