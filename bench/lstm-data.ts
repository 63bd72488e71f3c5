/** Data and first weights of the LSTM stack: the same for every program. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { fillRandomUniform } from "../src/core/random.ts";
import { TfjsQatError } from "../src/errors.ts";
import { CORPUS_SEED } from "./settings.ts";

/** Sizes of the stack and of its steps. */
export interface LstmSize {
  readonly layers: number;
  readonly width: number;
  /** Steps over time. */
  readonly time: number;
  /** Sequences of a step. */
  readonly batch: number;
  /** Different batches; a turn has no more steps. */
  readonly batches: number;
  /** First clip of the sum that the gates are made from, and of a layer's output. */
  readonly gatesClip: number;
  readonly hiddenClip: number;
}

/** As `size.json` and the arrays of float32 beside it say it. */
export interface LstmData {
  readonly size: LstmSize;
  /** [time, batch, width] each. */
  readonly inputs: readonly Float32Array[];
  readonly targets: readonly Float32Array[];
  /** [width, 4·width] of each layer: of its input, and of its last output; gates in the order i, f, g, o. */
  readonly kernels: readonly Float32Array[];
  readonly recurrent: readonly Float32Array[];
}

const ARRAYS = ["inputs", "targets", "kernels", "recurrent"] as const;

/** Numbers in −bound … bound, the weights as PyTorch's LSTM has them at first. */
function makeLstmData(size: LstmSize): LstmData {
  const { layers, width, time, batch, batches } = size;
  const steps = { count: batches, length: time * batch * width };
  const weights = { count: layers, length: 4 * width * width, bound: width ** -0.5 };
  return {
    size,
    inputs: uniform(1, { ...steps, bound: 1 }),
    targets: uniform(2, { ...steps, bound: 0.5 }),
    kernels: uniform(3, weights),
    recurrent: uniform(4, weights),
  };
}

function uniform(
  stream: number,
  { count, length, bound }: { count: number; length: number; bound: number },
): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const values = fillRandomUniform(new Float32Array(length), CORPUS_SEED, stream, i * length);
    return values.map((value) => (2 * value - 1) * bound);
  });
}

export function writeLstmData(size: LstmSize, directory: string): void {
  if (endianness() !== "LE") {
    throw new TfjsQatError(
      "E_DATA",
      "bench native: expected a little-endian machine, received another. Leave lstm out.",
    );
  }
  mkdirSync(directory, { recursive: true });
  const data = makeLstmData(size);
  for (const name of ARRAYS) {
    const bytes = data[name].map(({ buffer }) => new Uint8Array(buffer));
    writeFileSync(join(directory, `${name}.f32`), Buffer.concat(bytes));
  }
  writeFileSync(join(directory, "size.json"), JSON.stringify(size));
}

export function readLstmData(directory: string): LstmData {
  const size = JSON.parse(readFileSync(join(directory, "size.json"), "utf8")) as LstmSize;
  const { layers, batches } = size;
  const read = (name: (typeof ARRAYS)[number], count: number): Float32Array[] => {
    const bytes = new Uint8Array(readFileSync(join(directory, `${name}.f32`)));
    const all = new Float32Array(bytes.buffer);
    const length = all.length / count;
    return Array.from({ length: count }, (_, i) => all.subarray(i * length, (i + 1) * length));
  };
  return {
    size,
    ...{ inputs: read("inputs", batches), targets: read("targets", batches) },
    ...{ kernels: read("kernels", layers), recurrent: read("recurrent", layers) },
  };
}
