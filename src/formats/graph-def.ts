/**
 * A TensorFlow graph as the bytes of a SavedModel's `saved_model.pb`: nodes and their attributes, no
 * signatures and no variables' values.
 * @see tensorflow/core/framework/graph.proto, node_def.proto, attr_value.proto, tensor.proto and
 *   tensorflow/core/protobuf/saved_model.proto
 */
import { ProtoWriter } from "./protobuf.ts";

/** TensorFlow's numbers of data types (types.proto) that occur here. */
export const GRAPH_DTYPES = { float32: 1, int32: 3, bool: 10, half: 19 } as const;

/** A dense tensor in a node's attribute. */
export interface GraphTensor {
  readonly dtype: number;
  readonly shape: readonly number[];
  /** In row-major order, as TensorFlow lays them out: bool as bytes, int64 as pairs of int32. */
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** Value of a node's attribute. */
export type GraphAttribute =
  | { readonly kind: "int" | "float" | "type"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "shape"; readonly value: readonly number[] }
  | { readonly kind: "tensor"; readonly value: GraphTensor }
  | { readonly kind: "ints" | "floats" | "types"; readonly value: readonly number[] }
  | { readonly kind: "bools"; readonly value: readonly boolean[] };

/** One operation of a graph. */
export interface GraphNode {
  readonly name: string;
  /** TensorFlow's name of the operation. */
  readonly op: string;
  /** `node`, `node:output`, or `^node` for an order without data; these come last. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, GraphAttribute>>;
}

/** Graph versions that TensorFlow 2.9 and everything after it reads. */
const PRODUCER = 1087;
/** Tag by which the graph is loaded. */
export const SERVE_TAG = "serve";

/** The file `saved_model.pb` of a graph: one MetaGraph with the tag {@link SERVE_TAG}. */
export function savedModelBytes(nodes: readonly GraphNode[]): Uint8Array {
  const graph = new ProtoWriter();
  for (const node of nodes) graph.message(1, nodeMessage(node));
  graph.message(4, new ProtoWriter().varint(1, PRODUCER));
  const information = new ProtoWriter().string(4, SERVE_TAG);
  const metaGraph = new ProtoWriter().message(1, information).message(2, graph);
  return new ProtoWriter().varint(1, 1).message(2, metaGraph).finish();
}

function nodeMessage({ name, op, inputs, attributes }: GraphNode): ProtoWriter {
  const node = new ProtoWriter().string(1, name).string(2, op);
  for (const input of inputs) node.string(3, input);
  for (const [key, attribute] of Object.entries(attributes)) {
    node.message(5, new ProtoWriter().string(1, key).message(2, attributeMessage(attribute)));
  }
  return node;
}

function attributeMessage(attribute: GraphAttribute): ProtoWriter {
  const message = new ProtoWriter();
  switch (attribute.kind) {
    case "string":
      return message.string(2, attribute.value);
    case "int":
      return message.varint(3, attribute.value);
    case "float":
      return message.float(4, attribute.value);
    case "bool":
      return message.varint(5, attribute.value);
    case "type":
      return message.varint(6, attribute.value);
    case "shape":
      return message.message(7, shapeMessage(attribute.value));
    case "tensor":
      return message.message(8, tensorMessage(attribute.value));
    case "ints":
    case "floats":
    case "bools":
    case "types":
      return message.message(1, listMessage(attribute));
  }
}

function listMessage(
  list: Extract<GraphAttribute, { kind: "ints" | "floats" | "bools" | "types" }>,
): ProtoWriter {
  const message = new ProtoWriter();
  if (list.kind === "floats") return message.floats(4, list.value);
  return message.varints({ ints: 3, bools: 5, types: 6 }[list.kind], list.value);
}

function shapeMessage(shape: readonly number[]): ProtoWriter {
  const message = new ProtoWriter();
  for (const size of shape) message.message(2, new ProtoWriter().varint(1, size));
  return message;
}

function tensorMessage({ dtype, shape, values }: GraphTensor): ProtoWriter {
  const message = new ProtoWriter().varint(1, dtype).message(2, shapeMessage(shape));
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const field = SINGLE_VALUE_FIELDS[dtype];
  // One value stands for all: zeros and ones of any size take a few bytes.
  if (field === undefined || values.length < 2 || !isUniform(bytes, values.BYTES_PER_ELEMENT)) {
    return message.bytes(4, bytes);
  }
  const first = [values[0]!];
  return dtype === GRAPH_DTYPES.float32
    ? message.floats(field, first)
    : message.varints(field, first);
}

/** Fields of TensorProto that may hold fewer values than the shape: the last one is repeated. */
const SINGLE_VALUE_FIELDS: Readonly<Record<number, number>> = {
  [GRAPH_DTYPES.float32]: 5,
  [GRAPH_DTYPES.int32]: 7,
  [GRAPH_DTYPES.bool]: 11,
};

/** Whether all elements have the same bits. */
function isUniform(bytes: Uint8Array, width: number): boolean {
  for (let i = width; i < bytes.length; i++) if (bytes[i] !== bytes[i - width]) return false;
  return true;
}
