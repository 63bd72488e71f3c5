/** From what a recorder noted to a graph with its state inside. */
import { GRAPH_DTYPES, type GraphAttribute, type GraphNode } from "../formats/graph-def.ts";
import type { RecordedUpdate } from "./recorder.ts";
import { keepDivisions } from "./keep-divisions.ts";
import { simplify } from "./simplify.ts";

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

/** A result of the step. */
export interface OutputSpec {
  /** Output of the graph. */
  readonly reference: string;
  readonly dtype: number;
}

export interface GraphSpec {
  readonly inputs: readonly InputSpec[];
  readonly states: readonly StateSpec[];
  readonly outputs: readonly OutputSpec[];
  /** What the step did. */
  readonly nodes: readonly GraphNode[];
  readonly updates: readonly RecordedUpdate[];
  /** Whether XLA compiles the step's operations. */
  readonly xla: boolean;
}

/** Names in the graph. */
export const GRAPH_NAMES = {
  input: (i: number) => `in${i}`,
  /** The step's result i. */
  output: (i: number) => `out${i}:0`,
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
export function buildGraph(spec: GraphSpec): GraphNode[] {
  const { inputs, outputs, nodes, xla } = spec;
  const { states, updates } = withUpdatesInPlace(spec);
  const writes = states.flatMap(({ written }, i) => (written === null ? [] : [`^state${i}/write`]));
  const step = keepDivisions(xla ? nodes.map(compiled) : nodes);
  const all = [
    constant("one"),
    ...inputs.map((input, i) => placeholder(GRAPH_NAMES.input(i), input)),
    ...states.flatMap(nodesOfState),
    ...step,
    ...updates,
    ...outputs.map(({ reference, dtype }, i) => identity(`out${i}`, [reference], dtype)),
    after("done", [...writes, ...updates.map(({ name }) => `^${name}`)]),
    after(
      "left",
      states.map((_, i) => `^state${i}/free`),
    ),
  ];
  const fetched = states.flatMap((_, i) => [GRAPH_NAMES.state(i), GRAPH_NAMES.entered(i)]);
  // Whatever a run feeds must be there, needed or not.
  const fed = inputs.map((_, i) => GRAPH_NAMES.input(i));
  const results = outputs.map((_, i) => GRAPH_NAMES.output(i));
  return simplify(all, [...results, ...fetched, ...fed, GRAPH_NAMES.done, GRAPH_NAMES.left]);
}

/** Updates variables in place where the step's results for all variables of an update stay in them. */
function withUpdatesInPlace({ states, updates }: GraphSpec): {
  states: StateSpec[];
  updates: GraphNode[];
} {
  const left = [...states];
  const nodes: GraphNode[] = [];
  for (const { op, attributes, variables, results, operands } of updates) {
    const indices = variables.map((read) =>
      states.findIndex((_, i) => GRAPH_NAMES.state(i) === read),
    );
    if (!indices.every((index, at) => left[index]?.written === results[at])) continue;
    for (const index of indices) left[index] = { ...left[index]!, written: null };
    nodes.push({
      name: `update${nodes.length}`,
      op,
      inputs: [
        ...indices.map((index) => `state${index}`),
        ...operands,
        ...indices.map((index) => `^state${index}/read`),
      ],
      attributes,
    });
  }
  return { states: left, updates: nodes };
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
  return identity(name, ["one", ...controls], GRAPH_DTYPES.float32);
}

function identity(name: string, inputs: readonly string[], dtype: number): GraphNode {
  return { name, op: "Identity", inputs, attributes: { T: { kind: "type", value: dtype } } };
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
