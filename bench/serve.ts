/** The measuring process' end of the protocol. */
import * as tf from "@tensorflow/tfjs";
import { createInterface } from "node:readline";

/** Memory at the end: of the process at its peak, and of the wasm backend. */
export interface MemoryUse {
  readonly peakBytes: number;
  readonly heapBytes: number | null;
}

/** What the parent started this process for. */
export function jobOf(): unknown {
  return JSON.parse(process.argv[2]!);
}

/** Answers each line with a line, until the input ends. */
export async function serve(answer: (request: unknown) => Promise<unknown>): Promise<void> {
  // Standard output belongs to the protocol.
  console.log = console.error;
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

export function memoryUse(): MemoryUse {
  const { wasm } = tf.backend() as { wasm?: { HEAPU8: Uint8Array } };
  return {
    peakBytes: process.resourceUsage().maxRSS * 1024,
    heapBytes: wasm?.HEAPU8.length ?? null,
  };
}
