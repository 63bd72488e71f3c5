/** What our kernels use of the package that puts TensorFlow under TensorFlow.js. */
import type * as tf from "@tensorflow/tfjs";
import { GRAPH_DTYPES } from "../../formats/graph-def.ts";
import type { OpAttribute, UpdateInPlace } from "../../graph/native-backend.ts";

/** Numbers of element types. */
export const TYPES = GRAPH_DTYPES;

/** Number of an element type. */
export type TypeNumber = (typeof TYPES)[keyof typeof TYPES];

/**
 * Kinds of attributes.
 * @see TensorFlow 2.21, tensorflow/c/c_api.h, TF_AttrType
 */
const ATTRIBUTE = { string: 0, int: 1, float: 2, bool: 3, type: 4 } as const;

/** What the binding says of an operation's result. */
export interface OpResult {
  readonly id: number;
  readonly dtype: TypeNumber;
  readonly shape: number[];
}

/** The compiled part of the package. Tensors are numbers that it gives out. */
export interface Binding {
  executeOp(
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): OpResult[];
  createTensor(
    shape: readonly number[],
    dtype: TypeNumber,
    values: Float32Array | Int32Array,
  ): number;
  deleteTensor(id: number): void;
  /** There while a step is recorded as a graph. */
  noteUpdate?(update: UpdateInPlace): void;
}

/** The part of the package's backend that kernels use; it is not published as a type. */
export interface NativeBackend {
  readonly binding: Binding;
  readonly tensorMap: {
    set(
      dataId: object,
      data: { shape: number[]; dtype: TypeNumber; id: number; values: null; refCount: number },
    ): void;
  };
  /** Numbers of the tensors; writes values that TensorFlow has not received yet. */
  getInputTensorIds(inputs: readonly tf.TensorInfo[]): number[];
  incRef(dataId: object): void;
}

/** An attribute that names an element type, such as T. */
export function typeAttribute(name: string, value: TypeNumber): OpAttribute {
  return { name, type: ATTRIBUTE.type, value };
}

/** A whole number as an attribute. */
export function intAttribute(name: string, value: number): OpAttribute {
  return { name, type: ATTRIBUTE.int, value };
}

/** A truth value as an attribute. */
export function boolAttribute(name: string, value: boolean): OpAttribute {
  return { name, type: ATTRIBUTE.bool, value };
}

/** A text as an attribute. */
export function stringAttribute(name: string, value: string): OpAttribute {
  return { name, type: ATTRIBUTE.string, value };
}
