/** The machine as the installer sees it. Tests give their own. */
import { spawn } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

/** A program that has ended. */
export interface Ran {
  /** Exit status; null if it could not be started or was killed. */
  readonly code: number | null;
  /** Signal that ended it, such as `SIGSEGV`. */
  readonly killedBy: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  /** Variables besides the host's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Receives each piece of standard output and standard error as it comes. */
  readonly onText?: (text: string) => void;
}

/** What the installer needs to know of a machine and do on it. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** Version of the GNU C library, such as `2.36`; null where another one is used. */
  readonly glibc: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The running Node. */
  readonly node: { readonly path: string; readonly version: string };
  run(command: string, argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Bytes that may be written in a folder, or in the nearest folder above it that exists. */
  freeBytes(folder: string): number;
}

/** This machine. */
export function thisHost(): Host {
  const { header } = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header.glibcVersionRuntime ?? null,
    env: process.env,
    node: { path: process.execPath, version: process.versions.node },
    run: runProgram,
    freeBytes: (folder) => {
      const { bavail, bsize } = statfsSync(existingFolder(folder));
      return bavail * bsize;
    },
  };
}

/** The folder, or the nearest one above it that exists. */
export function existingFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder
    ? folder
    : existingFolder(dirname(folder));
}

/** The end of what a program said, for messages: its last lines that are not blank. */
export function lastWords({ stderr, stdout, killedBy, code }: Ran, lines = 1): string {
  if (killedBy !== null) return `an end by signal ${killedBy}`;
  const said = (stderr.trim() || stdout.trim()).split("\n").slice(-lines).join("\n").trim();
  return said === "" ? `exit status ${code ?? "unknown"}` : said;
}

/** Aborting ends the program; the promise then rejects with the signal's reason. */
function runProgram(
  command: string,
  argv: readonly string[],
  { cwd, env, signal, onText }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(cwd === undefined ? {} : { cwd }),
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      onText?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      onText?.(text);
    });
    const stop = (): void => void child.kill("SIGTERM");
    signal?.addEventListener("abort", stop, { once: true });
    const done = (ran: Ran): void => {
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted === true) reject(signal.reason as Error);
      else resolve(ran);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "ENOENT" ? "no such program" : error.message;
      done({ code: null, killedBy: null, stdout, stderr: reason });
    });
    child.on("close", (code, killedBy) => {
      done({ code, killedBy, stdout, stderr });
    });
  });
}
