/** The C++ compiler. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure } from "./fail.ts";
import { lastWords, type Host, type Ran } from "./host.ts";

/** A compiler that compiled a C++17 program. */
export interface Compiler {
  readonly path: string;
  /** First line of what `--version` says. */
  readonly version: string;
}

const INSTALL = `Install one (Debian: "apt install g++"; macOS: "xcode-select --install"), or name one in the environment variable CXX.`;

const PROGRAM = `#include <optional>
#include <string>
std::optional<std::string> text() { return std::nullopt; }
`;

/**
 * The environment's CXX, or the first of g++, c++ and clang++ that compiles C++17.
 * @throws {KernelError} if there is none
 */
export async function findCompiler(host: Host): Promise<Compiler> {
  const given = host.env["CXX"];
  const candidates = given ? [given] : ["g++", "c++", "clang++"];
  let problem: string | undefined;
  for (const path of candidates) {
    const version = await host.run(path, ["--version"]);
    if (version.code !== 0) continue;
    const ran = await compileProgram(host, path);
    if (ran.code === 0) return { path, version: version.stdout.split("\n")[0]!.trim() };
    problem ??= `${path} that fails with "${lastWords(ran)}"`;
  }
  const where = given ? `C++ compiler (CXX=${given})` : "C++ compiler";
  const received = problem ?? (given ? "no such program" : `none of ${candidates.join(", ")}`);
  throw failure(where, ["one that compiles C++17", received], INSTALL);
}

async function compileProgram(host: Host, path: string): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), "tfjs-qat-compiler-"));
  try {
    const source = join(folder, "program.cc");
    writeFileSync(source, PROGRAM);
    return await host.run(path, ["-std=c++17", "-fsyntax-only", source]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
