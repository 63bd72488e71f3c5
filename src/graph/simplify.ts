/** Leaves out of a graph what it does not need, so that TensorFlow prepares it faster. */
import type { GraphNode } from "../formats/graph-def.ts";

/**
 * Drops nodes that no fetched output depends on, and constants that are there already.
 * @param fetched outputs, such as `n7:0`
 */
export function simplify(nodes: readonly GraphNode[], fetched: readonly string[]): GraphNode[] {
  const replaced = equalConstants(nodes);
  const renamed = nodes
    .filter(({ name }) => !replaced.has(name))
    .map((node) => ({
      ...node,
      inputs: node.inputs.map((input) => renamedInput(input, replaced)),
    }));
  const byName = new Map(renamed.map((node) => [node.name, node]));
  const used = new Set<string>();
  const open = fetched.map((output) => nodeOf(renamedInput(output, replaced)));
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (used.has(name)) continue;
    used.add(name);
    for (const input of byName.get(name)!.inputs) open.push(nodeOf(input));
  }
  return renamed.filter(({ name }) => used.has(name));
}

/** Name of a constant → name of the first one that is equal. */
function equalConstants(nodes: readonly GraphNode[]): Map<string, string> {
  const first = new Map<string, string>();
  const replaced = new Map<string, string>();
  for (const { name, op, attributes } of nodes) {
    const { value } = attributes;
    if (op !== "Const" || value?.kind !== "tensor" || value.value.values.length > 16) continue;
    const { dtype, shape, values } = value.value;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = `${dtype}|${shape.join()}|${bytes.join()}|${JSON.stringify(attributes["_XlaScope"])}`;
    const equal = first.get(key);
    if (equal === undefined) first.set(key, name);
    else replaced.set(name, equal);
  }
  return replaced;
}

function renamedInput(input: string, replaced: ReadonlyMap<string, string>): string {
  const name = nodeOf(input);
  const other = replaced.get(name);
  return other === undefined ? input : input.replace(name, other);
}

/** The node of `node`, `node:output` or `^node`. */
function nodeOf(input: string): string {
  const start = input.startsWith("^") ? 1 : 0;
  const end = input.indexOf(":");
  return input.slice(start, end < 0 ? undefined : end);
}
