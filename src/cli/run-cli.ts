/** Finds the command, runs it, and turns what happens into output and an exit status. */
import { fileProblem, isFileError } from "../data/file-error.ts";
import { TfjsQatError, UnknownNameError, type ErrorCode } from "../errors.ts";
import { packageVersion } from "../recipe/package-version.ts";
import type { CommandIo } from "./command-io.ts";
import { COMMANDS, type CommandEntry } from "./commands.ts";

/** Exit status: what went wrong decides. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  E_CONFIG: 2,
  E_UNKNOWN_NAME: 2,
  E_DATA: 3,
  E_FORMAT: 3,
  E_CHECKPOINT: 3,
  E_SHAPE: 1,
  E_KERNEL: 1,
  E_CAPTURE: 1,
  E_EXPORT: 1,
  E_TRAINING: 1,
};

/** Exit status after Ctrl-C. */
export const INTERRUPTED = 130;

/**
 * Runs one command line.
 * @param argv arguments after the program's name
 * @returns the exit status: 0 done, 1 failed, 2 wrong command or configuration, 3 wrong data,
 *   130 interrupted
 */
export async function runCli(
  argv: readonly string[],
  io: Omit<CommandIo, "json">,
): Promise<number> {
  const debug = argv.includes("--debug");
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (io.signal.aborted && isAbort(error)) return INTERRUPTED;
    io.err(describeError(error, debug));
    return exitCodeOf(error);
  }
}

async function dispatch(argv: readonly string[], io: Omit<CommandIo, "json">): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    const topic = name === "help" ? rest[0] : undefined;
    io.out(topic === undefined ? overview() : await helpOf(commandNamed(topic), io.columns));
    return name === undefined ? 2 : 0;
  }
  if (name === "--version") {
    io.out(packageVersion());
    return 0;
  }
  const entry = commandNamed(name);
  const command = await entry.load();
  const parsed = command.parse(rest);
  if (parsed.common.help) {
    io.out(await command.help(entry.summary, io.columns));
    return 0;
  }
  const result = await parsed.run({ ...io, json: parsed.common.json });
  if (parsed.common.json) io.out(JSON.stringify(result.json));
  else if (result.text !== null) io.out(result.text);
  return result.exitCode ?? 0;
}

async function helpOf({ summary, load }: CommandEntry, columns: number): Promise<string> {
  return (await load()).help(summary, columns);
}

function commandNamed(name: string): CommandEntry {
  const wanted = name.replaceAll("-", "_");
  const found = COMMANDS.find((command) => command.name === wanted);
  if (found !== undefined) return found;
  const known = COMMANDS.map((command) => command.name);
  throw new UnknownNameError("tfjs-qat", "command", name, known, '"tfjs-qat --help" lists them.');
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    "tfjs-qat <command> [flags]",
    "",
    "Quantization-aware training of sequence models.",
    "",
    "Commands:",
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "tfjs-qat <command> --help shows a command's flags and examples.",
  ].join("\n");
}

/** The exit status of an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof TfjsQatError) return EXIT_CODES[error.code];
  return isFileError(error) ? 3 : 1;
}

/** The message for users; with the stack where it is asked for or the error is not of ours. */
export function describeError(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (debug) return stackOf(error);
  if (error instanceof TfjsQatError) return `error: ${error.message}`;
  if (isFileError(error)) {
    const { path = "a file", syscall = "use" } = error;
    return (
      `error: ${path}: expected a file or directory that can be used (${syscall}), received ` +
      `${fileProblem(error)}. Check the path, its permissions and the space on the disk.`
    );
  }
  return `error: ${error.message}\nThis may be a fault of tfjs-qat. Run again with --debug for details.`;
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\nCaused by: ${stackOf(error.cause)}` : own;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
