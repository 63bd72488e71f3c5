/** The operations of one kernel's call: what they make is freed, but for the kernel's results. */
import type * as tf from "@tensorflow/tfjs";
import type { OpAttribute, UpdateInPlace } from "../../graph/native-backend.ts";
import { TYPES, type NativeBackend, type TypeNumber } from "./binding.ts";

/** A tensor inside TensorFlow. */
export interface Value {
  /** The binding's number for it. */
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: TypeNumber;
}

const TYPE_NAMES = new Map<TypeNumber, tf.DataType>(
  (["float32", "int32", "bool"] as const).map((name) => [TYPES[name], name]),
);

/**
 * Runs operations one after the other and remembers what they made. Intermediate tensors never
 * become tensors of TensorFlow.js. Nothing here reads a tensor's values: a call can be recorded and
 * replayed as a graph with other values.
 */
export class OpRun {
  readonly #backend: NativeBackend;
  readonly #inputs = new Map<number, tf.TensorInfo>();
  readonly #made: number[] = [];

  constructor(backend: NativeBackend) {
    this.#backend = backend;
  }

  /** A tensor of TensorFlow.js, which stays the caller's. */
  input(info: tf.TensorInfo): Value {
    const id = this.#backend.getInputTensorIds([info])[0]!;
    this.#inputs.set(id, info);
    return { id, shape: info.shape, dtype: TYPES[info.dtype as keyof typeof TYPES] };
  }

  /** Results of TensorFlow's operation `name`, in its order. */
  execute(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly Value[],
    outputs = 1,
  ): Value[] {
    const ids = inputs.map(({ id }) => id);
    const results = this.#backend.binding.executeOp(name, attributes, ids, outputs);
    for (const { id } of results) this.#made.push(id);
    return results;
  }

  /** A tensor of values that are known without looking at any other: sizes, axes, settings. */
  constant(values: readonly number[], shape: readonly number[], dtype: TypeNumber): Value {
    const array = dtype === TYPES.int32 ? Int32Array.from(values) : Float32Array.from(values);
    const id = this.#backend.binding.createTensor(shape, dtype, array);
    this.#made.push(id);
    return { id, shape, dtype };
  }

  /** Tells a recorder of a shorter way to the same values. */
  noteUpdate(update: UpdateInPlace): void {
    this.#backend.binding.noteUpdate?.(update);
  }

  /** Makes `outputs` tensors that TensorFlow.js owns, and frees the rest. Ends the run. */
  finish(outputs: readonly Value[]): tf.TensorInfo[] {
    const kept = new Set(outputs.map(({ id }) => id));
    for (const id of this.#made) if (!kept.has(id)) this.#backend.binding.deleteTensor(id);
    return outputs.map((value) => this.#share(value) ?? this.#own(value));
  }

  /** Frees everything that the run made, after a failure. */
  discard(): void {
    for (const id of this.#made) this.#backend.binding.deleteTensor(id);
  }

  /** A second owner of an input that is handed out as it is. */
  #share({ id, shape, dtype }: Value): tf.TensorInfo | null {
    const input = this.#inputs.get(id);
    if (input === undefined) return null;
    this.#backend.incRef(input.dataId);
    return { dataId: input.dataId, shape: [...shape], dtype: TYPE_NAMES.get(dtype)! };
  }

  #own({ id, shape, dtype }: Value): tf.TensorInfo {
    const dataId = {};
    const data = { shape: [...shape], dtype, id, values: null, refCount: 1 };
    this.#backend.tensorMap.set(dataId, data);
    return { dataId, shape: [...shape], dtype: TYPE_NAMES.get(dtype)! };
  }
}
