/** One run of a step, seen as a graph: what goes in, what comes out, what it changes. */
import * as tf from "@tensorflow/tfjs";
import type { GraphNode } from "../formats/graph-def.ts";
import { GRAPH_NAMES, type InputSpec, type OutputSpec } from "./build-graph.ts";
import { tensorId, type NativeBackend } from "./native-backend.ts";
import { record, type RecordedUpdate } from "./recorder.ts";

/** A value that the graph keeps between runs. */
export interface TracedState {
  readonly variable: tf.Variable | null;
  readonly tensor: { readonly dataId: object };
  /** Output of the graph that the step leaves in the variable, or null. */
  readonly written: string | null;
}

export interface Trace {
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly OutputSpec[];
  readonly states: readonly TracedState[];
  readonly nodes: readonly GraphNode[];
  /** Operations that may leave in variables what {@link TracedState.written} names. */
  readonly updates: readonly RecordedUpdate[];
  /** Why a graph cannot do what the step did, or null. */
  readonly obstacle: string | null;
  /** Whether the step made variables: the next trace will be another one. */
  readonly madeVariables: boolean;
}

/**
 * Runs the step and traces it. Inputs and variables go by the binding's ids, so that those that share a
 * value are told apart first.
 * @returns its results, tracked by the engine's scope, and the trace
 */
export function traceStep(
  backend: NativeBackend,
  inputs: readonly tf.Tensor[],
  step: (inputs: tf.Tensor[]) => tf.Tensor[],
): { results: tf.Tensor[]; trace: Trace } {
  const variables = registeredVariables();
  const variableOf = new Map<number, tf.Variable>();
  for (const variable of variables) {
    if (variableOf.has(tensorId(backend, variable))) variable.assign(ownTensor(backend, variable));
    variableOf.set(tensorId(backend, variable), variable);
  }
  const known = new Map<number, string>();
  const given = inputs.map((input, i) => {
    const id = tensorId(backend, input);
    const own = known.has(id) || variableOf.has(id) ? ownTensor(backend, input) : input;
    known.set(tensorId(backend, own), `${GRAPH_NAMES.input(i)}:0`);
    return own;
  });
  const { result: results, recording } = record(
    backend,
    known,
    (index) => GRAPH_NAMES.state(index),
    () => {
      const results = step(given);
      // A result that no operation made is a tensor from outside, too.
      backend.getInputTensorIds(results);
      return results;
    },
  );
  const states = recording.externals.map(({ id, dataId }): TracedState => {
    const variable = variableOf.get(id) ?? null;
    const written = variable === null ? null : writtenTo(backend, variable, id, recording);
    return { variable, tensor: variable ?? { dataId: dataId! }, written };
  });
  const used = new Set(states.map(({ variable }) => variable));
  // Variables that are written without being read first.
  for (const [id, variable] of variableOf) {
    if (used.has(variable) || variable.isDisposed) continue;
    const written = writtenTo(backend, variable, id, recording);
    if (written !== null) states.push({ variable, tensor: variable, written });
  }
  const had = new Set(variables);
  return {
    results,
    trace: {
      inputs: inputs.map((input) => specOf(backend, input)),
      outputs: results.map((result) => ({
        reference: recording.referenceOf(tensorId(backend, result)),
        dtype: specOf(backend, result).dtype,
      })),
      states,
      nodes: recording.nodes,
      updates: recording.updates,
      obstacle: recording.obstacle,
      madeVariables: registeredVariables().some((variable) => !had.has(variable)),
    },
  };
}

function writtenTo(
  backend: NativeBackend,
  variable: tf.Variable,
  idBefore: number,
  recording: { referenceOf(id: number): string },
): string | null {
  const id = tensorId(backend, variable);
  return id === idBefore ? null : recording.referenceOf(id);
}

/** A tensor of the same value with an id of its own. */
function ownTensor(backend: NativeBackend, tensor: tf.Tensor): tf.Tensor {
  const { binding } = backend;
  const type = { name: "T", type: binding.TF_ATTR_TYPE, value: specOf(backend, tensor).dtype };
  const [copy] = binding.executeOp("Identity", [type], [tensorId(backend, tensor)], 1);
  return backend.createOutputTensor(copy!);
}

function specOf(backend: NativeBackend, { dataId }: tf.Tensor): InputSpec {
  const { shape, dtype } = backend.tensorMap.get(dataId);
  return { shape, dtype };
}

function registeredVariables(): tf.Variable[] {
  return Object.values(tf.engine().registeredVariables);
}
