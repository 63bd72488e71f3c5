/** What the browser loads: the training run, with its files from the page's server. */
import * as tf from "@tensorflow/tfjs";
import { getThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { WasmBackend } from "../../src/backends/wasm/memory.ts";
import { trainRun, type TrainRun } from "./train-run.ts";

/** How TensorFlow.js ran in the page. */
interface PageFacts {
  readonly isIsolated: boolean;
  /** ArrayBuffer or SharedArrayBuffer. */
  readonly memory: string;
  /** Threads of the compiled products. */
  readonly threads: number;
}

/** Trains in the page. */
export async function train(): Promise<{ run: TrainRun; facts: PageFacts }> {
  setWasmPaths("/wasm/");
  const run = await trainRun(async (name) => {
    const response = await fetch(`/model/${name}`);
    if (!response.ok) throw new Error(`/model/${name}: ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  });
  const { wasm } = tf.backend() as unknown as WasmBackend;
  const facts = {
    isIsolated: crossOriginIsolated,
    memory: wasm.HEAPU8.buffer.constructor.name,
    threads: getThreadsCount(),
  };
  return { run, facts };
}
