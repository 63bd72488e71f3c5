/** From what a recorder noted to a graph with its state inside. */
import type { GraphAttribute, GraphNode } from "../formats/graph-def.ts";
import { GRAPH_DTYPES } from "../formats/graph-def.ts";

/** A value that stays inside the session between runs. */
export interface StateSpec {
  readonly shape: readonly number[];
  readonly dtype: number;
  /** Output of the graph that the step leaves in it, or null if the step only reads it. */
  readonly written: string | null;
}

/** A tensor that each run is given. */
export interface InputSpec {
  readonly shape: readonly number[];
  readonly dtype: number;
}

export interface GraphSpec {
  readonly inputs: readonly InputSpec[];
  readonly states: readonly StateSpec[];
  /** What the step did. */
  readonly nodes: readonly GraphNode[];
  /** Whether XLA compiles the step's operations. */
  readonly xla: boolean;
}

/** Names in the graph. */
export const GRAPH_NAMES = {
  input: (i: number) => `in${i}`,
  /** The value of state i when the run begins. */
  state: (i: number) => `state${i}/read:0`,
  /** Placeholder of a new value of state i. */
  newState: (i: number) => `state${i}/new`,
  /** Fetched to take over all fed states of {@link GRAPH_NAMES.newState}. */
  entered: (i: number) => `state${i}/entered:0`,
  /** Fetched to free all states, after those that are read in the same run. */
  left: "left:0",
  /** Fetched to update all written states. */
  done: "done:0",
} as const;

/** All nodes of the graph. */
export function buildGraph({ inputs, states, nodes, xla }: GraphSpec): GraphNode[] {
  const placeholders = inputs.map((spec, i) => placeholder(GRAPH_NAMES.input(i), spec));
  const updates: string[] = [];
  const stateNodes = states.flatMap((state, i) => {
    if (state.written !== null) updates.push(`^state${i}/write`);
    return nodesOfState(state, i);
  });
  return [
    constant("one"),
    ...placeholders,
    ...stateNodes,
    ...(xla ? nodes.map(compiled) : nodes),
    after("done", updates),
    after(
      "left",
      states.map((_, i) => `^state${i}/free`),
    ),
  ];
}

function nodesOfState({ shape, dtype, written }: StateSpec, i: number): GraphNode[] {
  const name = `state${i}`;
  const type: GraphAttribute = { kind: "type", value: dtype };
  const assign = (suffix: string, value: string): GraphNode => ({
    name: `${name}/${suffix}`,
    op: "AssignVariableOp",
    // The step sees the value that the run began with, whatever order it is executed in.
    inputs: [name, value, ...(suffix === "write" ? [`^${name}/read`] : [])],
    attributes: { dtype: type },
  });
  return [
    {
      name,
      op: "VarHandleOp",
      inputs: [],
      attributes: {
        dtype: type,
        shape: { kind: "shape", value: shape },
        shared_name: { kind: "string", value: name },
      },
    },
    { name: `${name}/read`, op: "ReadVariableOp", inputs: [name], attributes: { dtype: type } },
    placeholder(GRAPH_NAMES.newState(i), { shape, dtype }),
    assign("enter", GRAPH_NAMES.newState(i)),
    after(`${name}/entered`, [`^${name}/enter`]),
    {
      name: `${name}/free`,
      op: "DestroyResourceOp",
      inputs: [name, `^${name}/read`],
      attributes: { ignore_lookup_error: { kind: "bool", value: true } },
    },
    ...(written === null ? [] : [assign("write", written)]),
  ];
}

function placeholder(name: string, { shape, dtype }: InputSpec): GraphNode {
  return {
    name,
    op: "Placeholder",
    inputs: [],
    attributes: { dtype: { kind: "type", value: dtype }, shape: { kind: "shape", value: shape } },
  };
}

/** A scalar that is there once `controls` have run: something to fetch. */
function after(name: string, controls: readonly string[]): GraphNode {
  return {
    name,
    op: "Identity",
    inputs: ["one", ...controls],
    attributes: { T: { kind: "type", value: GRAPH_DTYPES.float32 } },
  };
}

function constant(name: string): GraphNode {
  const values = Float32Array.of(1);
  return {
    name,
    op: "Const",
    inputs: [],
    attributes: {
      dtype: { kind: "type", value: GRAPH_DTYPES.float32 },
      value: { kind: "tensor", value: { dtype: GRAPH_DTYPES.float32, shape: [], values } },
    },
  };
}

/** Marks an operation for XLA, which the session otherwise leaves out. */
function compiled(node: GraphNode): GraphNode {
  const attributes: Record<string, GraphAttribute> = {
    ...node.attributes,
    _XlaCompile: { kind: "bool", value: true },
    _XlaScope: { kind: "string", value: "step" },
  };
  return { ...node, attributes };
}
