/** A process that measures: one line of JSON goes in, one comes back, so that only one is at work. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { TfjsQatError } from "../src/errors.ts";

/** A measuring process failed. */
export class ChildError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_DATA", message, options);
  }
}

interface Waiting {
  resolve(line: string): void;
  reject(error: Error): void;
}

/** How much of a child's standard error an error message quotes. */
const QUOTED_LINES = 20;

/** The parent's end. Requests must not overlap. */
export class Child {
  readonly #name: string;
  readonly #process: ChildProcessWithoutNullStreams;
  #waiting: Waiting | null = null;
  #errors = "";

  private constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.#name = name;
    this.#process = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#waiting?.resolve(line);
      this.#waiting = null;
    });
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      this.#errors = (this.#errors + part).slice(-4000);
    });
    child.on("error", (error) => {
      this.#fail(error.message);
    });
    child.on("close", (code) => {
      this.#fail(`it ended with status ${code ?? "unknown"}`);
    });
    // Writing to a process that has ended is reported by its end.
    child.stdin.on("error", () => undefined);
  }

  /** Starts a module of this folder as Node runs this process. */
  static ofModule(name: string, module: string, job: unknown, env = process.env): Child {
    const path = fileURLToPath(new URL(module, import.meta.url));
    const args = [...process.execArgv, path, JSON.stringify(job)];
    return new Child(name, spawn(process.execPath, args, { env }));
  }

  /** Starts any program. */
  static ofProgram(
    name: string,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Child {
    return new Child(name, spawn(program, [...args], { env }));
  }

  /** @throws {ChildError} where the process ends, or answers with an error */
  async request<T>(message: unknown): Promise<T> {
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#process.exitCode !== null) this.#fail("it has ended");
      else this.#process.stdin.write(`${JSON.stringify(message)}\n`);
    });
    const answer = JSON.parse(line) as T & { error?: string };
    if (answer.error !== undefined) throw new ChildError(answer.error);
    return answer;
  }

  /** Lets it end by itself. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, "close");
    this.#process.stdin.end();
    await closed;
  }

  /** Ends it at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #fail(reason: string): void {
    const quoted = this.#errors.trim().split("\n").slice(-QUOTED_LINES).join("\n");
    const details = quoted === "" ? "" : `\n${quoted}`;
    this.#waiting?.reject(
      new ChildError(
        `process "${this.#name}": expected an answer, received none: ${reason}. ` +
          `See what it printed, if anything.${details}`,
      ),
    );
    this.#waiting = null;
  }
}
