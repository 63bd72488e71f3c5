/** Checkpoints of a directory: written whole, committed by the index, pruned after the commit. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeTemporaryFiles, writeFileAtomic } from "../data/atomic-file.ts";
import { CheckpointError, FormatError } from "../errors.ts";
import { readSafetensors, writeSafetensors, type SafetensorsFile } from "../formats/safetensors.ts";
import {
  INDEX_NAME,
  readIndex,
  writeIndex,
  type CheckpointEntry,
  type CheckpointIndex,
} from "./checkpoint-index.ts";
import { stateFileOf, trainingStateOf, type TrainingState } from "./training-state.ts";
import type { Weights } from "./weights.ts";

/** File of a model that is no checkpoint of a run, such as a shipped one. */
const PLAIN_MODEL = "model.safetensors";

/** A checkpoint as read from disk. */
export interface LoadedCheckpoint {
  readonly path: string;
  /** Step of the checkpoint, or null for a file that does not say. */
  readonly step: number | null;
  readonly weights: Weights;
}

/** Path of a checkpoint's weights. */
export function weightsPath(directory: string, name: string): string {
  return join(directory, `${name}.safetensors`);
}

/** Path of a checkpoint's training state. */
function statePath(directory: string, name: string): string {
  return join(directory, `${name}.state.safetensors`);
}

/** One directory of checkpoints. Nothing counts before {@link CheckpointStore.commit}. */
export class CheckpointStore {
  readonly directory: string;
  #index: CheckpointIndex;

  private constructor(directory: string, index: CheckpointIndex) {
    this.directory = directory;
    this.#index = index;
  }

  /**
   * Opens a directory, making it where it is missing, and removes the temporary files that a killed
   * process left.
   * @throws {CheckpointError} if there are checkpoints but no index, or a listed file is missing
   */
  static open(directory: string): CheckpointStore {
    mkdirSync(directory, { recursive: true });
    removeTemporaryFiles(directory);
    const index = readIndex(directory);
    const store = new CheckpointStore(
      directory,
      index ?? { checkpoints: [], obsolete: [], logs: {} },
    );
    for (const { name } of store.entries) {
      if (store.hasFile(name)) continue;
      throw new CheckpointError(
        `${directory}: expected ${name}.safetensors, which its index lists, received no such file. ` +
          `Restore it, or remove its entry from ${join(directory, INDEX_NAME)}.`,
      );
    }
    if (index === null) {
      refuseLostIndex(directory);
      // The empty index tells a run that died before its first commit from a lost index.
      store.commit([]);
    }
    return store;
  }

  /** Committed checkpoints; the last one is the one to take. */
  get entries(): readonly CheckpointEntry[] {
    return this.#index.checkpoints;
  }

  /** Committed lengths of log files. */
  get logs(): Readonly<Record<string, number>> {
    return this.#index.logs;
  }

  /** True if the weights of a checkpoint are there. */
  hasFile(name: string): boolean {
    return existsSync(weightsPath(this.directory, name));
  }

  /** Writes the files of a checkpoint; it counts after the next commit that lists it. */
  write(entry: CheckpointEntry, weights: Weights, state?: TrainingState): void {
    if (state !== undefined) {
      writeFileAtomic(statePath(this.directory, entry.name), stateFileOf(state));
    }
    writeFileAtomic(weightsPath(this.directory, entry.name), weightsFileOf(weights, entry.step));
  }

  /** Makes `entries` the checkpoints of this directory; deletes nothing yet. */
  commit(entries: readonly CheckpointEntry[], logs: Readonly<Record<string, number>> = {}): void {
    const kept = new Set(entries.map(({ name }) => name));
    const known = [...this.#index.obsolete, ...this.entries.map(({ name }) => name)];
    const obsolete = [...new Set(known)].filter((name) => !kept.has(name));
    this.#index = { checkpoints: [...entries], obsolete, logs };
    writeIndex(this.directory, this.#index);
  }

  /** Deletes the files of checkpoints that the last commit dropped. */
  deleteObsolete(): void {
    for (const name of this.#index.obsolete) {
      rmSync(weightsPath(this.directory, name), { force: true });
      rmSync(statePath(this.directory, name), { force: true });
    }
    this.#index = { ...this.#index, obsolete: [] };
  }

  /** Reads a checkpoint's weights. */
  readWeights(entry: CheckpointEntry): Weights {
    return this.#reading(
      entry,
      () => readWeightsFile(weightsPath(this.directory, entry.name)).weights,
    );
  }

  /** Reads a checkpoint's training state. */
  readState(entry: CheckpointEntry): TrainingState {
    const path = statePath(this.directory, entry.name);
    return this.#reading(entry, () => trainingStateOf(readFile(path), path));
  }

  /** Says how to go on where a committed file turns out to be damaged. */
  #reading<T>(entry: CheckpointEntry, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const earlier = this.entries.filter(({ name }) => name !== entry.name).at(-1)?.name;
      const way =
        earlier === undefined
          ? "start again in an empty directory"
          : `remove the entry of ${entry.name} from ${join(this.directory, INDEX_NAME)} ` +
            `to go on from ${earlier}`;
      throw new CheckpointError(
        `${this.directory}: expected an intact ${entry.name}, received a damaged one ` +
          `(${error.message}). Restore it from a copy, or ${way}.`,
        { cause: error },
      );
    }
  }
}

function refuseLostIndex(directory: string): void {
  const found = readdirSync(directory).find((name) => /^ckpt-\d+.*\.safetensors$/.test(name));
  if (found === undefined) return;
  throw new CheckpointError(
    `${join(directory, INDEX_NAME)}: expected the index of the checkpoints, received no such file ` +
      `beside ${found}. Restore it, or use an empty directory.`,
  );
}

/** The checkpoint to take from a directory: the last one of its index, or null without one. */
export function latestCheckpoint(directory: string): CheckpointEntry | null {
  return readIndex(directory)?.checkpoints.at(-1) ?? null;
}

/**
 * Reads weights from a `.safetensors` file, or from a directory: the last checkpoint of its index,
 * else its `model.safetensors`.
 * @throws {CheckpointError} if there is nothing to read; {@link FormatError} if a file is damaged
 */
export function loadCheckpoint(path: string): LoadedCheckpoint {
  if (!existsSync(path)) {
    throw new CheckpointError(
      `${path}: expected a model directory or a .safetensors file, received no such file. ` +
        "Check the path.",
    );
  }
  if (!statSync(path).isDirectory()) return readWeightsFile(path);
  const entry = latestCheckpoint(path);
  if (entry !== null) return readWeightsFile(weightsPath(path, entry.name));
  if (existsSync(join(path, PLAIN_MODEL))) return readWeightsFile(join(path, PLAIN_MODEL));
  throw new CheckpointError(
    `${path}: expected a directory with a checkpoint or ${PLAIN_MODEL}, received one without. ` +
      "Give the directory of a trained model, or the checkpoint file itself.",
  );
}

/** The bytes of a weights file; the same weights give the same bytes. */
function weightsFileOf(weights: Weights, step: number | null): Uint8Array {
  const tensors = [...weights].map(
    ([name, { shape, data }]) => [name, { dtype: "F32", shape, data }] as const,
  );
  return writeSafetensors(tensors, step === null ? {} : { step: String(step) });
}

function readWeightsFile(path: string): LoadedCheckpoint {
  const { tensors, metadata } = readFile(path);
  const weights = new Map(
    [...tensors].map(([name, tensor]) => {
      if (tensor.dtype === "F32") return [name, { shape: tensor.shape, data: tensor.data }];
      throw new CheckpointError(
        `${path}, "${name}": expected float32 weights, received ${tensor.dtype}. ` +
          "Give a training checkpoint, not an export.",
      );
    }),
  );
  const step = /^\d{1,15}$/.test(metadata["step"] ?? "") ? Number(metadata["step"]) : null;
  return { path, step, weights };
}

function readFile(path: string): SafetensorsFile {
  if (!existsSync(path)) {
    throw new CheckpointError(
      `${basename(path)}: expected this file in ${dirname(path)}, received no such file. ` +
        "Restore it from a copy.",
    );
  }
  return readSafetensors(readFileSync(path), path);
}
