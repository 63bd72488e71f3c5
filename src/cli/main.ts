#!/usr/bin/env node
/** The program: wires the process to the command line. */
import { decodeText } from "../data/text-file.ts";
import { describeError, INTERRUPTED, runCli } from "./run-cli.ts";

// The WebAssembly loader installs handlers of its own when it loads; these come first and decide.
const interruption = new AbortController();
process.on("SIGINT", () => {
  if (interruption.signal.aborted) process.exit(INTERRUPTED);
  interruption.abort();
  process.stderr.write("\nInterrupted: finishing this step. Press Ctrl-C again to stop at once.\n");
});
process.on("SIGTERM", () => {
  if (interruption.signal.aborted) process.exit(INTERRUPTED);
  interruption.abort();
});
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error: unknown) => {
    process.stderr.write(`${describeError(error, process.argv.includes("--debug"))}\n`);
    process.exit(1);
  });
}
// A reader that went away (`tfjs-qat … | head`) is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

const isTerminal = process.stderr.isTTY;
process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  draw: (text) => process.stderr.write(text),
  readInput: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return decodeText(Buffer.concat(chunks), "standard input");
  },
  isTerminal,
  hasColor: isTerminal && (process.env["NO_COLOR"] ?? "") === "",
  columns: isTerminal ? process.stderr.columns : 100,
  signal: interruption.signal,
  now: () => performance.now() / 1000,
});
