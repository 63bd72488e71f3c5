import { describe, expect, it } from "vitest";
import { GRAPH_DTYPES, savedModelBytes, type GraphNode } from "../../src/formats/graph-def.ts";
import fixture from "../fixtures/formats/graph-def.json" with { type: "json" };

const FLOAT = { kind: "type", value: GRAPH_DTYPES.float32 } as const;

function constant(
  name: string,
  dtype: number,
  shape: readonly number[],
  values: Float32Array | Int32Array | Uint8Array,
): GraphNode {
  return {
    name,
    op: "Const",
    inputs: [],
    attributes: {
      dtype: { kind: "type", value: dtype },
      value: { kind: "tensor", value: { dtype, shape, values } },
    },
  };
}

const NODES: readonly GraphNode[] = [
  {
    name: "x",
    op: "Placeholder",
    inputs: [],
    attributes: { dtype: FLOAT, shape: { kind: "shape", value: [2, 3] } },
  },
  constant("w", GRAPH_DTYPES.float32, [3, 2], Float32Array.of(1.5, -2, 0.25, 3, -0, 1e-40)),
  constant("ones", GRAPH_DTYPES.float32, [100], new Float32Array(100).fill(1)),
  constant("minus", GRAPH_DTYPES.int32, [3], Int32Array.of(-7, -7, -7)),
  constant("yes", GRAPH_DTYPES.bool, [1], Uint8Array.of(1)),
  {
    name: "y",
    op: "MatMul",
    inputs: ["x:0", "w", "^ones"],
    attributes: {
      T: FLOAT,
      transpose_a: { kind: "bool", value: false },
      transpose_b: { kind: "bool", value: true },
    },
  },
  {
    name: "odd",
    op: "Odd",
    inputs: [],
    attributes: {
      floats: { kind: "floats", value: [0.5, -1] },
      int: { kind: "int", value: -3 },
      number: { kind: "float", value: 1.25 },
      text: { kind: "string", value: "ä" },
      truths: { kind: "bools", value: [true, false] },
      types: { kind: "types", value: [1, 3] },
      wholes: { kind: "ints", value: [1, -2, 300] },
    },
  },
];

describe("savedModelBytes", () => {
  it("writes the bytes of TensorFlow's own protocol buffers", () => {
    expect(Buffer.from(savedModelBytes(NODES)).toString("base64")).toBe(fixture.bytes);
  });
});
