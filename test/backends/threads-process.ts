/**
 * The run of threads-run.ts on several threads, as a process of its own: `threads-process.ts THREADS…`.
 * Prints one line of JSON for each number and ends by itself.
 */
import * as tf from "@tensorflow/tfjs";
import { selectBackend } from "../../src/backends/select.ts";
import { ThreadPool } from "../../src/backends/wasm/threads/thread-pool.ts";
import { trainSteps } from "./threads-run.ts";

const divided = new Set<string>();
const pool = ThreadPool.prototype;
type Run = (this: ThreadPool, ...values: Parameters<ThreadPool["run"]>) => void;
const run = Object.getOwnPropertyDescriptor(pool, "run")!.value as Run;
pool.run = function (this: ThreadPool, job, division) {
  divided.add(job.name);
  run.call(this, job, division);
};

/** What the start of a backend must leave as it was. */
async function surroundings(): Promise<Record<string, unknown>> {
  return {
    globals: Object.getOwnPropertyNames(globalThis).sort(),
    flag: await tf.env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT"),
    listeners: ["uncaughtException", "unhandledRejection", "exit"].map((event) =>
      process.listenerCount(event),
    ),
    instantiate: WebAssembly.instantiate.toString(),
  };
}

await import("@tensorflow/tfjs-backend-wasm");
const before = await surroundings();
for (const threads of process.argv.slice(2).map(Number)) {
  const report = await selectBackend("wasm", { threads });
  divided.clear();
  const result = await trainSteps();
  const after = await surroundings();
  const changed = Object.keys(before).filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  );
  process.stdout.write(
    `${JSON.stringify({ report, result, changed, divided: [...divided].sort() })}\n`,
  );
}
