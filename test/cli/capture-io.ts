/** A command line's outside for tests: collects what is written. */
import type { CommandIo } from "../../src/cli/command-io.ts";
import { runCli } from "../../src/cli/run-cli.ts";

/** What one command line did. */
export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process. */
export async function cli(
  argv: readonly string[],
  settings: Partial<Omit<CommandIo, "json">> & { input?: string } = {},
): Promise<CliRun> {
  let out = "";
  let err = "";
  const { input = "", ...io } = settings;
  const code = await runCli(argv, {
    out: (line) => (out += `${line}\n`),
    err: (line) => (err += `${line}\n`),
    draw: (text) => (err += text),
    readInput: () => Promise.resolve(input),
    isTerminal: false,
    hasColor: false,
    columns: 100,
    signal: new AbortController().signal,
    now: () => 0,
    ...io,
  });
  return { code, out, err };
}
