/** Whether two traces of one step are the same graph. */
import type { GraphNode, GraphTensor } from "../formats/graph-def.ts";
import type { Trace } from "./trace.ts";

/** How a run differs from the one before. */
export interface TraceDifference {
  readonly reason: string;
  /** Whether the next run may differ again: it is a number that changes, not what is kept at first. */
  readonly isFinal: boolean;
}

/**
 * Null if both traces do the same with the same tensors from outside; otherwise what differs. Numbers
 * that JavaScript puts into the step and that change from run to run show here: a graph would freeze
 * them.
 */
export function firstDifference(before: Trace, after: Trace): TraceDifference | null {
  const count = Math.min(before.nodes.length, after.nodes.length);
  for (let i = 0; i < count; i++) {
    const difference = nodeDifference(before.nodes[i]!, after.nodes[i]!, after.nodes);
    if (difference !== null) return difference;
  }
  const reason = otherDifference(before, after);
  return reason === null ? null : { reason, isFinal: false };
}

function otherDifference(before: Trace, after: Trace): string | null {
  if (before.nodes.length !== after.nodes.length) {
    return `it made ${before.nodes.length} operations in one run and ${after.nodes.length} in the next`;
  }
  if (before.states.length !== after.states.length) {
    return "it used other tensors from outside in the next run";
  }
  for (const [i, { variable, tensor, written }] of before.states.entries()) {
    const other = after.states[i]!;
    const isSame = variable === null ? tensor.dataId === other.tensor.dataId : true;
    if (other.variable !== variable || !isSame || other.written !== written) {
      return "it used other tensors from outside in the next run";
    }
  }
  const isSame = JSON.stringify(before.outputs) === JSON.stringify(after.outputs);
  return isSame ? null : "its results come from elsewhere in the next run";
}

function nodeDifference(
  before: GraphNode,
  after: GraphNode,
  nodes: readonly GraphNode[],
): TraceDifference | null {
  if (before.op !== after.op || before.inputs.join() !== after.inputs.join()) {
    const reason = `operation ${after.name} was ${before.op} in one run and ${after.op} in the next`;
    return { reason, isFinal: false };
  }
  const { value: left } = before.attributes;
  const { value: right } = after.attributes;
  if (left?.kind === "tensor" && right?.kind === "tensor") {
    if (isSameTensor(left.value, right.value)) return null;
    const user = nodes.find(({ inputs }) => inputs.includes(`${after.name}:0`))?.op ?? "nothing";
    const reason =
      `a number from JavaScript, used by ${user}, changed from ${shown(left.value)} to ` +
      `${shown(right.value)}: make it an input of the step`;
    return { reason, isFinal: true };
  }
  const isSame = JSON.stringify(before.attributes) === JSON.stringify(after.attributes);
  return isSame ? null : { reason: `an attribute of ${after.op} changed`, isFinal: false };
}

function isSameTensor(a: GraphTensor, b: GraphTensor): boolean {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  return a.values.every((value, i) => Object.is(value, b.values[i]));
}

function shown({ values }: GraphTensor): string {
  const few = [...values.slice(0, 3)].join(", ");
  return values.length > 3 ? `[${few}, …]` : few;
}
