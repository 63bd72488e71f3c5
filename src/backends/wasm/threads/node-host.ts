/** Node's threads, found without an import that a browser could not resolve. */

/** The part of Node's Worker that is used here. */
export interface NodeWorker {
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): void;
  unref(): void;
  terminate(): Promise<number>;
}

interface WorkerOptions {
  readonly eval: true;
  readonly workerData: unknown;
  /** Arguments of Node itself; [] keeps loaders of the main thread out. */
  readonly execArgv: readonly string[];
}

export type NodeWorkerClass = new (source: string, options: WorkerOptions) => NodeWorker;

/** Node's class of threads, or null where there is none. */
export function nodeWorkerClass(): NodeWorkerClass | null {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const module = process?.getBuiltinModule?.("node:worker_threads");
  return (module as { Worker: NodeWorkerClass } | undefined)?.Worker ?? null;
}
