/** The threads of one wasm backend: none until they are asked for. */
import { allocate, type WasmBackend } from "../memory.ts";
import { compileSimd, type SimdModule } from "../simd-module.ts";
import { divide, type KernelFunction } from "./job.ts";
import type { NodeWorkerClass } from "./node-host.ts";
import { SPLITS, type Split } from "./splits.ts";
import { ThreadPool } from "./thread-pool.ts";

/** What a backend's threads are made of. */
interface ThreadsHost {
  readonly Worker: NodeWorkerClass;
  /** The backend's, shared. */
  readonly memory: WebAssembly.Memory;
  /** The kernels over it. */
  readonly direct: SimdModule;
}

export class BackendThreads {
  /** The kernels, with the interface of one thread. */
  readonly simd: SimdModule;
  readonly #backend: WasmBackend;
  readonly #host: ThreadsHost;
  #pool: ThreadPool | null = null;

  constructor(backend: WasmBackend, host: ThreadsHost) {
    this.#backend = backend;
    this.#host = host;
    this.simd = dividedModule(host.direct, () => this.#pool);
    const dispose = backend.dispose.bind(backend);
    backend.dispose = () => {
      // The memory goes with the backend: there is nothing to give back.
      void this.#pool?.dispose(false);
      this.#pool = null;
      dispose();
    };
  }

  /** Threads that compute, the calling one included. */
  get count(): number {
    return this.#pool?.threads ?? 1;
  }

  /**
   * From now on this many threads compute.
   * @throws {KernelError} if they do not start
   */
  async use(threads: number): Promise<void> {
    if (threads === this.count) return;
    const old = this.#pool;
    this.#pool = null;
    await old?.dispose();
    if (threads === 1) return;
    const { wasm } = this.#backend;
    const { Worker, memory, direct } = this.#host;
    this.#pool = await ThreadPool.start({
      Worker,
      threads,
      memory,
      module: await compileSimd(memory),
      functions: direct,
      allocate: (bytes) => allocate(this.#backend, bytes),
      free: (address) => {
        wasm._free(address);
      },
    });
  }
}

/** The kernels of a module; those that can be divided are, while there is a pool. */
export function dividedModule(direct: SimdModule, poolNow: () => ThreadPool | null): SimdModule {
  const divided = (name: KernelFunction, split: Split) => {
    const call = direct[name];
    return (...values: number[]): number => {
      const pool = poolNow();
      if (pool === null) return call(...values);
      const job = split(values);
      const division = divide(job, pool.threads);
      if (division === null) return call(...values);
      pool.run(job, division);
      return 0;
    };
  };
  const entries = Object.entries(SPLITS) as [KernelFunction, Split][];
  return {
    ...direct,
    ...Object.fromEntries(entries.map(([name, split]) => [name, divided(name, split)])),
  };
}
