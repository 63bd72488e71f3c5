/** Divisions stay divisions. */
import type { GraphNode } from "../formats/graph-def.ts";

/**
 * TensorFlow's optimizer turns a division by a constant into a product with its reciprocal, which has
 * another last bit in some 5 of 100 quotients, and so gives other scales and codes than the step run
 * eagerly. A placeholder's default value is no constant to it, nor to XLA.
 * @see TensorFlow 2.21, tensorflow/core/grappler/optimizers/constant_folding.cc, ReduceDivToReciprocalMul
 */
export function keepDivisions(nodes: readonly GraphNode[]): GraphNode[] {
  const constants = new Map<string, GraphNode>(
    nodes.flatMap((node) => (node.op === "Const" ? [[`${node.name}:0`, node] as const] : [])),
  );
  const held = new Map<string, GraphNode>();
  const kept = nodes.map((node) => {
    if (node.op !== "RealDiv") return node;
    const [dividend, divisor] = node.inputs as [string, string];
    const constant = constants.get(divisor);
    if (constant === undefined) return node;
    const name = `${constant.name}/divisor`;
    held.set(name, placeholderOf(name, constant));
    return { ...node, inputs: [dividend, `${name}:0`] };
  });
  return [...kept, ...held.values()];
}

function placeholderOf(name: string, { name: constant, attributes }: GraphNode): GraphNode {
  const { dtype, value } = attributes;
  const shape = value?.kind === "tensor" ? value.value.shape : [];
  return {
    name,
    op: "PlaceholderWithDefault",
    inputs: [`${constant}:0`],
    attributes: { dtype: dtype!, shape: { kind: "shape", value: shape } },
  };
}
