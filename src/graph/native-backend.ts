/** The part of TensorFlow.js' native backend that captured steps stand on. */
import * as tf from "@tensorflow/tfjs";

/** An attribute as the binding takes it; `type` is one of its TF_ATTR_ numbers. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What the binding says of a tensor that it has made. */
export interface TensorMetadata {
  readonly id: number;
  readonly shape: number[];
  /** TensorFlow's number of the data type. */
  readonly dtype: number;
}

type AttributeTypes = "INT" | "FLOAT" | "BOOL" | "TYPE" | "STRING" | "SHAPE";

/**
 * An operation on TensorFlow's variables that leaves in them what other operations have just made:
 * where `variables` are the values of variables and become `results`, a graph may use it instead.
 */
export interface UpdateInPlace {
  readonly op: string;
  readonly attributes: readonly OpAttribute[];
  /** Tensors by their numbers: the operation's first inputs are their variables. */
  readonly variables: readonly number[];
  readonly results: readonly number[];
  /** Its other inputs: tensors by their numbers, or float32 scalars. */
  readonly operands: readonly ({ readonly id: number } | { readonly scalar: number })[];
}

/** Calls into TensorFlow's C library; tensors go by ids, which are never used twice. */
export interface Binding extends Readonly<Record<`TF_ATTR_${AttributeTypes}`, number>> {
  readonly TF_Version: string;
  createTensor(shape: number[], dtype: number, values: ArrayBufferView): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): ArrayLike<number>;
  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): TensorMetadata[];
  loadSavedModel(directory: string, tags: string): number;
  /** Names are `operation:output`, with commas between them. */
  runSavedModel(
    session: number,
    inputs: readonly number[],
    inputNames: string,
    outputNames: string,
  ): TensorMetadata[];
  deleteSavedModel(session: number): void;
}

/** What the backend keeps of a tensor; several tensors may share it. */
export interface TensorEntry {
  /** The binding's id; negative while `values` wait to be copied. */
  id: number;
  values: ArrayBufferView | null;
  readonly shape: number[];
  readonly dtype: number;
  refCount: number;
}

/** The backend's members that are used here. */
export interface NativeBackend {
  binding: Binding;
  readonly tensorMap: {
    get(dataId: object): TensorEntry;
    has(dataId: object): boolean;
  };
  /** Copies what waits, then gives the ids. */
  getInputTensorIds(tensors: readonly { readonly dataId: object }[]): number[];
  /** A new tensor, tracked by the engine's scope. */
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
}

/** The native backend if it is the current one, else null. */
export function nativeBackend(): NativeBackend | null {
  return tf.getBackend() === "tensorflow" ? (tf.backend() as unknown as NativeBackend) : null;
}

/** The binding's id of a tensor; copies its values to TensorFlow if they still wait. */
export function tensorId(backend: NativeBackend, tensor: { readonly dataId: object }): number {
  return backend.getInputTensorIds([tensor])[0]!;
}
