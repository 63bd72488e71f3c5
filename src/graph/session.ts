/** A graph loaded into TensorFlow: runs with tensors by the binding's ids. */
import { savedModelBytes, SERVE_TAG, type GraphNode } from "../formats/graph-def.ts";
import type { NativeBackend, TensorMetadata } from "./native-backend.ts";

/** Tensors to feed, by the name of their placeholder. */
export type Feeds = readonly (readonly [name: string, id: number])[];

/** The parts of Node that a graph's file needs; looked up so that browsers can load this module. */
interface Files {
  mkdtempSync(prefix: string): string;
  writeFileSync(path: string, bytes: Uint8Array): void;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

export class Session {
  readonly #backend: NativeBackend;
  #id: number | null;

  /** Loads the graph. The file that TensorFlow reads it from is gone afterwards. */
  constructor(backend: NativeBackend, nodes: readonly GraphNode[]) {
    this.#backend = backend;
    const fs = builtin("node:fs") as Files;
    const os = builtin("node:os") as { tmpdir(): string };
    const directory = fs.mkdtempSync(`${os.tmpdir()}/tfjs-qat-graph-`);
    try {
      fs.writeFileSync(`${directory}/saved_model.pb`, savedModelBytes(nodes));
      this.#id = backend.binding.loadSavedModel(directory, SERVE_TAG);
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }

  /**
   * @param fetches outputs of the graph, such as `n7:0`
   * @returns new tensors of the binding, one for each fetch; the caller deletes them
   */
  run(feeds: Feeds, fetches: readonly string[]): TensorMetadata[] {
    return this.#backend.binding.runSavedModel(
      this.#id!,
      feeds.map(([, id]) => id),
      feeds.map(([name]) => `${name}:0`).join(","),
      fetches.join(","),
    );
  }

  /** Frees the graph and the variables inside. Again: no effect. */
  dispose(): void {
    if (this.#id === null) return;
    this.#backend.binding.deleteSavedModel(this.#id);
    this.#id = null;
  }
}

function builtin(name: string): unknown {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  return process.getBuiltinModule(name);
}
