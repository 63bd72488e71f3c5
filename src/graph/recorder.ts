/**
 * Notes what a step does while it runs: every operation that TensorFlow.js hands to TensorFlow, as a
 * node of a graph.
 */
import { GRAPH_DTYPES, type GraphAttribute, type GraphNode } from "../formats/graph-def.ts";
import { CaptureError } from "../errors.ts";
import type {
  Binding,
  NativeBackend,
  OpAttribute,
  TensorMetadata,
  UpdateInPlace,
} from "./native-backend.ts";

/** A tensor from outside that the step used. */
export interface ExternalTensor {
  /** Name of the graph's output that stands for it. */
  readonly reference: string;
  readonly id: number;
  readonly dataId: object | null;
}

/** A shorter way to new values of variables; see {@link UpdateInPlace}. Outputs of the graph. */
export interface RecordedUpdate {
  readonly op: string;
  readonly attributes: GraphNode["attributes"];
  readonly variables: readonly string[];
  readonly results: readonly string[];
  readonly operands: readonly string[];
}

/** What was noted. */
export interface Recording {
  readonly nodes: readonly GraphNode[];
  /** Tensors that are neither inputs nor made inside, in the order of their use. */
  readonly externals: readonly ExternalTensor[];
  readonly updates: readonly RecordedUpdate[];
  /** Why a graph cannot do what the step did, or null. */
  readonly obstacle: string | null;
  /** The graph's output that holds a tensor after the step, by the binding's id. */
  referenceOf(id: number): string;
}

/**
 * Runs `step` and notes its operations. Values that TensorFlow.js makes from JavaScript numbers become
 * constants of the graph.
 *
 * @param known outputs of the graph that stand for tensors from outside, by the binding's id
 * @param nameExternal the graph's output for the n-th other tensor from outside
 */
export function record<T>(
  backend: NativeBackend,
  known: ReadonlyMap<number, string>,
  nameExternal: (index: number) => string,
  step: () => T,
): { result: T; recording: Recording } {
  const recorder = new Recorder(backend, known, nameExternal);
  return { result: recorder.during(step), recording: recorder };
}

class Recorder implements Recording {
  readonly nodes: GraphNode[] = [];
  obstacle: string | null = null;
  readonly externals: ExternalTensor[] = [];
  readonly updates: RecordedUpdate[] = [];
  readonly #backend: NativeBackend;
  readonly #binding: Binding;
  readonly #references: Map<number, string>;
  readonly #constants = new Set<number>();
  readonly #dtypes = new Map<number, number>();
  readonly #dataIds = new Map<number, object>();
  readonly #nameExternal: (index: number) => string;

  constructor(
    backend: NativeBackend,
    known: ReadonlyMap<number, string>,
    nameExternal: (index: number) => string,
  ) {
    this.#backend = backend;
    this.#binding = backend.binding;
    this.#references = new Map(known);
    this.#nameExternal = nameExternal;
  }

  during<T>(step: () => T): T {
    const backend = this.#backend;
    const binding = this.#binding;
    const idsOf = backend.getInputTensorIds.bind(backend);
    // The binding's own properties cannot be written; its methods do not look at `this`.
    const watched = Object.create(binding, {
      executeOp: { value: this.#executeOp.bind(this) },
      createTensor: { value: this.#createTensor.bind(this) },
      tensorDataSync: { value: this.#tensorData.bind(this) },
      noteUpdate: { value: this.#noteUpdate.bind(this) },
    }) as Binding;
    backend.binding = watched;
    backend.getInputTensorIds = (tensors) => {
      const ids = idsOf(tensors);
      tensors.forEach(({ dataId }, i) => this.#dataIds.set(ids[i]!, dataId));
      return ids;
    };
    try {
      return step();
    } finally {
      backend.binding = binding;
      // The method of the class shows again.
      delete (backend as Partial<NativeBackend>).getInputTensorIds;
    }
  }

  #executeOp(
    op: string,
    given: readonly OpAttribute[],
    ids: readonly number[],
    outputs: number,
  ): TensorMetadata[] {
    const made = this.#binding.executeOp(op, given, ids, outputs);
    const name = `n${this.nodes.length}`;
    const inputs = ids.map((id) => this.referenceOf(id));
    const named = given.map(
      (attribute) => [attribute.name, graphAttribute(this.#binding, op, attribute)] as const,
    );
    const attributes = { ...this.#inferred(op, ids), ...Object.fromEntries(named) };
    this.nodes.push({ name, op, inputs, attributes });
    const isConstant = ids.every((id) => this.#constants.has(id));
    made.forEach(({ id, dtype }, i) => {
      this.#references.set(id, `${name}:${i}`);
      this.#dtypes.set(id, dtype);
      if (isConstant) this.#constants.add(id);
    });
    return made;
  }

  #noteUpdate({ op, attributes, variables, results, operands }: UpdateInPlace): void {
    const named = attributes.map(
      (attribute) => [attribute.name, graphAttribute(this.#binding, op, attribute)] as const,
    );
    this.updates.push({
      op,
      attributes: Object.fromEntries(named),
      variables: variables.map((id) => this.referenceOf(id)),
      results: results.map((id) => this.referenceOf(id)),
      operands: operands.map((operand) =>
        "id" in operand
          ? this.referenceOf(operand.id)
          : this.#constant([], GRAPH_DTYPES.float32, Float32Array.of(operand.scalar)),
      ),
    });
  }

  /** @returns the graph's output */
  #constant(
    shape: readonly number[],
    dtype: number,
    values: Float32Array | Int32Array | Uint8Array,
  ): string {
    const name = `n${this.nodes.length}`;
    this.nodes.push({
      name,
      op: "Const",
      inputs: [],
      attributes: {
        dtype: { kind: "type", value: dtype },
        value: { kind: "tensor", value: { dtype, shape, values } },
      },
    });
    return `${name}:0`;
  }

  #createTensor(shape: number[], dtype: number, values: ArrayBufferView): number {
    const id = this.#binding.createTensor(shape, dtype, values);
    // The caller may write to its array again.
    const copy = (values as Float32Array | Int32Array | Uint8Array).slice();
    this.#references.set(id, this.#constant([...shape], dtype, copy));
    this.#dtypes.set(id, dtype);
    this.#constants.add(id);
    return id;
  }

  /** Attributes that TensorFlow infers when an operation is executed, but not in a graph. */
  #inferred(op: string, ids: readonly number[]): Record<string, GraphAttribute> {
    const inferred = INFERRED_ATTRIBUTES[op] ?? [];
    return Object.fromEntries(
      inferred.map((name, i) => [name, { kind: "type", value: this.#dtypeOf(ids[i]!) }]),
    );
  }

  #dtypeOf(id: number): number {
    const known = this.#dtypes.get(id);
    if (known !== undefined) return known;
    return this.#backend.tensorMap.get(this.#dataIds.get(id)!).dtype;
  }

  #tensorData(id: number): ArrayLike<number> {
    if (!this.#constants.has(id)) {
      const last = this.nodes.at(-1)?.op ?? "none";
      this.obstacle ??=
        `it reads a tensor's values${caller()}, after ${this.nodes.length} operations ` +
        `(last: ${last}): return the tensor and read it after the step`;
    }
    return this.#binding.tensorDataSync(id);
  }

  referenceOf(id: number): string {
    const known = this.#references.get(id);
    if (known !== undefined) return known;
    const reference = this.#nameExternal(this.externals.length);
    this.externals.push({ reference, id, dataId: this.#dataIds.get(id) ?? null });
    this.#references.set(id, reference);
    return reference;
  }
}

/** Types of inputs that TensorFlow.js leaves out, by operation, in the order of the inputs. */
const INFERRED_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  ExpandDims: ["T", "Tdim"],
};

/** ` at function (file:line)`: the first frame outside TensorFlow.js and this file, or nothing. */
function caller(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = limit;
  const foreign = /tfjs-core|@tensorflow|nodejs_kernel_backend|\/dist\/kernels\/|node:|recorder/;
  const frame = stack.split("\n").find((line) => /^\s+at /.test(line) && !foreign.test(line));
  return frame === undefined ? "" : ` ${frame.trim()}`;
}

function graphAttribute(
  binding: Binding,
  op: string,
  { name, type, value }: OpAttribute,
): GraphAttribute {
  const isList = Array.isArray(value);
  switch (type) {
    case binding.TF_ATTR_INT:
      return isList
        ? { kind: "ints", value: numbers(value) }
        : { kind: "int", value: Number(value) };
    case binding.TF_ATTR_FLOAT:
      return isList
        ? { kind: "floats", value: numbers(value) }
        : { kind: "float", value: Number(value) };
    case binding.TF_ATTR_BOOL:
      return isList
        ? { kind: "bools", value: value.map(Boolean) }
        : { kind: "bool", value: Boolean(value) };
    case binding.TF_ATTR_TYPE:
      return isList
        ? { kind: "types", value: numbers(value) }
        : { kind: "type", value: Number(value) };
    case binding.TF_ATTR_STRING:
      return { kind: "string", value: String(value) };
    case binding.TF_ATTR_SHAPE:
      return { kind: "shape", value: numbers(value as unknown[]) };
    default:
      throw new CaptureError(
        `captured step, operation ${op}, attribute "${name}": expected a number, boolean, text, ` +
          `type or shape, received attribute type ${type}. Leave the step uncaptured.`,
      );
  }
}

function numbers(values: readonly unknown[]): number[] {
  return values.map(Number);
}
