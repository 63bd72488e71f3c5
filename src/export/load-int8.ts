/** Reads an int8 export from a directory. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileProblem } from "../data/file-error.ts";
import { DataError, FormatError } from "../errors.ts";
import { checkGrids } from "../formats/int8-grids.ts";
import { type Int8Model, parseInt8Model } from "../formats/int8-model.ts";
import { sha256 } from "./sha256.ts";
import { INT8_QUANTIZATION_FILE, INT8_TENSORS_FILE } from "./save-int8.ts";

/** An export as read from disk. */
export interface LoadedInt8 {
  readonly model: Int8Model;
  /** The files' content, for run times that parse it themselves. */
  readonly tensors: Uint8Array;
  readonly quantization: string;
  /** Size of both files. */
  readonly bytes: number;
}

/**
 * Reads and checks an export: hash of the tensors, names, shapes, grids.
 * @throws {DataError} if a file is missing; {@link FormatError} if the content is wrong
 */
export function loadInt8(directory: string): LoadedInt8 {
  const tensors = readPart(join(directory, INT8_TENSORS_FILE));
  const json = readPart(join(directory, INT8_QUANTIZATION_FILE));
  const quantization = new TextDecoder("utf-8").decode(json);
  const model = parseInt8Model(tensors, quantization, directory);
  checkGrids(model.record, join(directory, INT8_QUANTIZATION_FILE));
  const hash = sha256(tensors);
  if (hash !== model.record.tensors_sha256) {
    throw new FormatError(
      `${join(directory, INT8_TENSORS_FILE)}: expected the SHA-256 ` +
        `${model.record.tensors_sha256} of quantization.json, received ${hash}. ` +
        `The files are not of one export; export the model again.`,
    );
  }
  return { model, tensors, quantization, bytes: tensors.length + json.length };
}

/** True where a directory holds an int8 export, or what is left of one. */
export function isInt8Export(directory: string): boolean {
  return [INT8_QUANTIZATION_FILE, INT8_TENSORS_FILE].some((name) =>
    existsSync(join(directory, name)),
  );
}

function readPart(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new DataError(
      `${path}: expected a file of an int8 export, received ${fileProblem(error)}. ` +
        `Check the directory, or export the model again.`,
      { cause: error },
    );
  }
}
