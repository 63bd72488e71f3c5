/**
 * What a thread runs, as text: a file of its own would have to be found from src/ and from dist/.
 * {@link ThreadPool} is the other side; both share the job block that JOB describes.
 */

/** Places of 32-bit words in the job block. Those that both sides write have a cache line each. */
export const JOB = {
  /** Number of the job · 256 + its next part; the low byte is 255 between two jobs. */
  claim: 0,
  /** Parts that are done. */
  done: 16,
  /** 1 once a part has failed; then `textLength` bytes of a message lie at `text`. */
  failed: 32,
  textLength: 33,
  text: 34,
  textBytes: 376,
  /** Position of the function among the names. */
  name: 128,
  /** Number of its arguments, and of the job's parts. */
  argumentCount: 129,
  parts: 130,
  /** The range that is divided, and the length of a part. */
  begin: 131,
  end: 132,
  step: 133,
  /** The argument that takes the end of a part, its length, or the thread's scratch memory; −1: none. */
  endAt: 134,
  lengthAt: 135,
  scratchAt: 136,
  /** float64: the arguments, then what each grows by for each unit before the part. */
  values: 144,
  strides: 176,
  maxArguments: 16,
  bytes: 832,
} as const;

/** What a thread is given. */
export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Names of the functions that a job may name by position. */
  readonly names: readonly string[];
  readonly layout: typeof JOB;
  /** Address of the job block. */
  readonly job: number;
  /** Address of this thread's scratch memory. */
  readonly scratch: number;
  /** How often the thread looks for the next job before it sleeps. */
  readonly spins: number;
}

/** A thread: takes parts of the present job until there are none, sleeps until the next job. */
export const WORKER_SOURCE = `"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { module, memory, names, layout: at, job, scratch, spins } = workerData;
const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports;
const functions = names.map((name) => kernels[name]);
const words = new Int32Array(memory.buffer, job, at.bytes / 4);
const values = new Float64Array(memory.buffer, job + 4 * at.values, at.maxArguments);
const strides = new Float64Array(memory.buffer, job + 4 * at.strides, at.maxArguments);

function runPart(part) {
  const begin = words[at.begin] + part * words[at.step];
  const end = Math.min(begin + words[at.step], words[at.end]);
  const given = new Array(words[at.argumentCount]);
  for (let i = 0; i < given.length; i++) given[i] = values[i] + strides[i] * begin;
  if (words[at.endAt] >= 0) given[words[at.endAt]] = end;
  if (words[at.lengthAt] >= 0) given[words[at.lengthAt]] = end - begin;
  if (words[at.scratchAt] >= 0) given[words[at.scratchAt]] = scratch;
  functions[words[at.name]](...given);
}

function fail(error) {
  if (Atomics.compareExchange(words, at.failed, 0, 1) !== 0) return;
  const text = new TextEncoder().encode(String(error)).subarray(0, at.textBytes);
  new Uint8Array(memory.buffer, job + 4 * at.text, at.textBytes).set(text);
  words[at.textLength] = text.length;
}

parentPort.postMessage("ready");
for (;;) {
  let seen = Atomics.load(words, at.claim);
  for (let spin = 0; ; ) {
    const parts = words[at.parts];
    const part = seen & 255;
    if (part >= parts) {
      if (++spin > spins) break;
      seen = Atomics.load(words, at.claim);
      continue;
    }
    const found = Atomics.compareExchange(words, at.claim, seen, seen + 1);
    if (found !== seen) {
      seen = found;
      continue;
    }
    try {
      runPart(part);
    } catch (error) {
      fail(error);
    }
    if (Atomics.add(words, at.done, 1) + 1 === parts) Atomics.notify(words, at.done);
    spin = 0;
    seen = Atomics.load(words, at.claim);
  }
  Atomics.wait(words, at.claim, seen);
}
`;
