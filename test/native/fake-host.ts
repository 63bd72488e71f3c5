/** A machine for tests: programs answer from a table, and nothing leaves the process. */
import type { Host, Ran, RunOptions } from "../../src/native/host.ts";

/** What a program does: given its arguments, what it printed; null where it does not exist. */
export type FakeProgram = (argv: readonly string[], options: RunOptions) => Partial<Ran>;

/** Programs of a healthy machine. */
export const HEALTHY: Readonly<Record<string, FakeProgram>> = {
  "g++": () => ({ stdout: "g++ (Test) 12.2.0\n" }),
  python3: () => ({ stdout: pythonAnswer("3.11.7", "23.2.1") }),
};

/** What our question makes a Python print. */
export function pythonAnswer(
  version: string,
  pip: string | null,
  tensorflow: object | null = null,
): string {
  return JSON.stringify({ version, pip, tensorflow });
}

/** A machine whose programs are these. */
export function fakeHost(
  programs: Readonly<Record<string, FakeProgram>> = HEALTHY,
  changes: Partial<Host> = {},
): Host {
  return {
    platform: "linux",
    arch: "x64",
    glibc: "2.36",
    env: {},
    node: { path: "/nonexistent/bin/node", version: "20.19.0" },
    run: (command, argv, options = {}) => {
      const ran = programs[command]?.(argv, options);
      const missing = { code: null, stderr: "no such program" };
      const done = { code: 0, killedBy: null, stdout: "", stderr: "", ...(ran ?? missing) };
      return Promise.resolve(done);
    },
    freeBytes: () => 1e12,
    ...changes,
  };
}
