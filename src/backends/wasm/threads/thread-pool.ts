/**
 * Threads of Node that share a memory with the calling thread. A job lies in a block of that memory;
 * every thread, the calling one too, takes one part after the other. A thread that wakes late finds fewer
 * parts or none, so a busy processor does not hold the others up.
 */
import { KernelError } from "../../../errors.ts";
import type { SimdModule } from "../simd-module.ts";
import type { Division, Job } from "./job.ts";
import type { NodeWorker, NodeWorkerClass } from "./node-host.ts";
import { JOB, WORKER_SOURCE, type WorkerData } from "./worker-source.ts";

/** What a pool is made of. */
export interface ThreadPoolOptions {
  readonly Worker: NodeWorkerClass;
  /** Threads, the calling one included; at least 2. */
  readonly threads: number;
  /** Shared. */
  readonly memory: WebAssembly.Memory;
  /** The kernels, compiled for shared memory, and the calling thread's instance. */
  readonly module: WebAssembly.Module;
  readonly functions: SimdModule;
  /** Room in the memory, aligned to 16 bytes. */
  allocate(bytes: number): number;
  free(address: number): void;
  /** Milliseconds to wait for the last parts of a job before the pool counts as broken. */
  readonly patience?: number;
}

/** Far more than any part takes. */
const PATIENCE = 120_000;
/** How often a thread looks again before it sleeps: about ten microseconds. */
const SPINS = 2000;
/** The low byte of the claim between two jobs. */
const CLOSED = 255;
const MAX_JOB = 2 ** 23;

export class ThreadPool {
  readonly threads: number;
  readonly #options: ThreadPoolOptions;
  readonly #names: (keyof SimdModule)[];
  readonly #workers: NodeWorker[] = [];
  readonly #allocated: number[] = [];
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  /** Scratch memory of the calling thread's parts. */
  readonly #scratch: number;
  #job = 0;
  /** Why no more jobs are taken. */
  #broken: string | null = null;

  private constructor(options: ThreadPoolOptions) {
    this.threads = options.threads;
    this.#options = options;
    this.#names = Object.keys(options.functions) as (keyof SimdModule)[];
    const job = this.#allocate(JOB.bytes);
    // Views of shared memory stay valid when it grows.
    const { buffer } = options.memory;
    this.#words = new Int32Array(buffer, job, JOB.bytes / 4).fill(0);
    this.#words[JOB.claim] = CLOSED;
    this.#numbers = new Float64Array(buffer, job + 4 * JOB.values, 2 * JOB.maxArguments);
    this.#scratch = this.#allocate(options.functions.gemmScratchBytes());
  }

  /**
   * Starts the threads and waits until they are there. They do not keep the process alive.
   * @throws {KernelError} if one does not start
   */
  static async start(options: ThreadPoolOptions): Promise<ThreadPool> {
    const pool = new ThreadPool(options);
    try {
      const starts = Array.from({ length: options.threads - 1 }, () => pool.#startWorker());
      await Promise.all(starts);
    } catch (error) {
      await pool.dispose();
      throw error;
    }
    for (const worker of pool.#workers) worker.unref();
    return pool;
  }

  /**
   * Ends the threads.
   * @param isMemoryLeft false where their memory is gone as well; else it is given back when they have ended
   */
  async dispose(isMemoryLeft = true): Promise<void> {
    this.#broken = "an end by dispose";
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
    if (isMemoryLeft) for (const address of this.#allocated.splice(0)) this.#options.free(address);
  }

  /**
   * Runs all parts of a job; returns when they are done.
   * @throws {KernelError} if a part fails or a thread has ended
   */
  run(job: Job, division: Division): void {
    if (this.#broken !== null) throw threadError(this.#broken);
    const words = this.#words;
    this.#write(job, division);
    this.#job = (this.#job + 1) % MAX_JOB;
    const open = this.#job << 8;
    Atomics.store(words, JOB.claim, open);
    Atomics.notify(words, JOB.claim);
    const start = performance.now();
    const failure = this.#takeParts(job, division);
    this.#awaitParts(division.parts, performance.now() - start);
    // Closed before the next job is written: a thread that comes late must not take a part of it.
    Atomics.store(words, JOB.claim, open | CLOSED);
    if (failure !== null) throw threadError(String(failure), failure);
    if (words[JOB.failed] !== 0) throw threadError(this.#failureText());
  }

  #startWorker(): Promise<void> {
    const { Worker, memory, module, functions } = this.#options;
    const workerData: WorkerData = {
      ...{ module, memory, names: this.#names, layout: JOB, job: this.#words.byteOffset },
      ...{ scratch: this.#allocate(functions.gemmScratchBytes()), spins: SPINS },
    };
    return new Promise((resolve, reject) => {
      const worker = new Worker(WORKER_SOURCE, { eval: true, workerData, execArgv: [] });
      this.#workers.push(worker);
      const lose = (reason: string): void => {
        this.#broken ??= reason;
        reject(threadError(reason));
      };
      worker.on("message", () => {
        resolve();
      });
      worker.on("error", (error) => {
        lose(String(error));
      });
      worker.on("exit", () => {
        lose("the end of a thread");
      });
    });
  }

  #allocate(bytes: number): number {
    const address = this.#options.allocate(bytes + 63);
    this.#allocated.push(address);
    return Math.ceil(address / 64) * 64;
  }

  #write(job: Job, { parts, step }: Division): void {
    const words = this.#words;
    const numbers = this.#numbers;
    numbers.set(job.values);
    numbers.fill(0, JOB.maxArguments);
    for (const [at, growth] of job.strides) numbers[JOB.maxArguments + at] = growth;
    words[JOB.name] = this.#names.indexOf(job.name);
    words[JOB.argumentCount] = job.values.length;
    words[JOB.parts] = parts;
    words[JOB.begin] = job.begin;
    words[JOB.end] = job.end;
    words[JOB.step] = step;
    words[JOB.endAt] = job.endAt ?? -1;
    words[JOB.lengthAt] = job.lengthAt ?? -1;
    words[JOB.scratchAt] = job.scratchAt ?? -1;
    words[JOB.failed] = 0;
    words[JOB.done] = 0;
  }

  /** The calling thread's share; returns what a part has thrown. */
  #takeParts(job: Job, { parts, step }: Division): Error | null {
    const words = this.#words;
    let failure: Error | null = null;
    let seen = Atomics.load(words, JOB.claim);
    while ((seen & 255) < parts) {
      const found = Atomics.compareExchange(words, JOB.claim, seen, seen + 1);
      if (found === seen) {
        try {
          this.#runPart(job, job.begin + (seen & 255) * step, step);
        } catch (error) {
          failure ??= error as Error;
        }
        Atomics.add(words, JOB.done, 1);
        seen = Atomics.load(words, JOB.claim);
      } else {
        seen = found;
      }
    }
    return failure;
  }

  #runPart(job: Job, begin: number, step: number): void {
    const end = Math.min(begin + step, job.end);
    const values = [...job.values];
    for (const [at, growth] of job.strides) values[at]! += growth * begin;
    if (job.endAt !== undefined) values[job.endAt] = end;
    if (job.lengthAt !== undefined) values[job.lengthAt] = end - begin;
    if (job.scratchAt !== undefined) values[job.scratchAt] = this.#scratch;
    this.#options.functions[job.name](...values);
  }

  /** Waits for the parts that other threads have taken. */
  #awaitParts(parts: number, ownMilliseconds: number): void {
    const words = this.#words;
    let done = Atomics.load(words, JOB.done);
    for (let spin = 0; done !== parts && spin < SPINS; spin++) done = Atomics.load(words, JOB.done);
    const patience = this.#options.patience ?? Math.max(PATIENCE, 20 * ownMilliseconds);
    const last = performance.now() + patience;
    while (done !== parts) {
      const left = last - performance.now();
      if (left <= 0) {
        this.#broken = `no answer of a thread in ${Math.round(patience)} ms`;
        throw threadError(this.#broken);
      }
      Atomics.wait(words, JOB.done, done, left);
      done = Atomics.load(words, JOB.done);
    }
  }

  #failureText(): string {
    const length = this.#words[JOB.textLength]!;
    const at = this.#words.byteOffset + 4 * JOB.text;
    // A decoder takes no shared memory.
    return new TextDecoder().decode(new Uint8Array(this.#words.buffer, at, length).slice());
  }
}

function threadError(received: string, cause?: Error): KernelError {
  return new KernelError(
    `threads: expected every part of a kernel to be done, received ${received}. ` +
      `Run again; with one thread if it comes back.`,
    { cause },
  );
}
