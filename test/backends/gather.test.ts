import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";

describe("gather on wasm", () => {
  beforeAll(async () => {
    await selectBackend("wasm");
  });

  it.each([
    {
      title: "float rows",
      x: () => tf.range(0, 30).reshape([5, 2, 3]),
      indices: [4, 0, 0, 2],
      axis: 0,
    },
    {
      title: "int rows",
      x: () => tf.range(0, 8, 1, "int32").reshape([4, 2]),
      indices: [3],
      axis: 0,
    },
    { title: "scalars", x: () => tf.range(0, 5), indices: [1, 1, 4], axis: 0 },
    { title: "no rows", x: () => tf.range(0, 6).reshape([3, 2]), indices: [], axis: 0 },
    {
      title: "another axis",
      x: () => tf.range(0, 24).reshape([2, 4, 3]),
      indices: [3, 1],
      axis: 1,
    },
  ])("gives $title by index", ({ x: makeTensor, indices, axis }) => {
    const x: tf.Tensor = makeTensor();
    const received = tf.gather(x, tf.tensor1d(indices, "int32"), axis);
    const parts = indices.map((index) => {
      const begin = x.shape.map((_, i) => (i === axis ? index : 0));
      return tf.slice(
        x,
        begin,
        x.shape.map((size, i) => (i === axis ? 1 : size)),
      );
    });
    const expected = parts.length === 0 ? tf.zeros([0, 2]) : tf.concat(parts, axis);
    expect(received.shape).toEqual(expected.shape);
    expect(received.dtype).toBe(x.dtype);
    expect(Array.from(received.dataSync())).toEqual(Array.from(expected.dataSync()));
  });

  it("takes indices of any shape", () => {
    const table = tf.range(0, 8).reshape([4, 2]);
    const ids = tf.tensor2d([1, 3, 0, 2], [2, 2], "int32");
    expect(tf.gather(table, ids).arraySync()).toEqual([
      [
        [2, 3],
        [6, 7],
      ],
      [
        [0, 1],
        [4, 5],
      ],
    ]);
  });

  it("refuses an index outside and leaves nothing behind", () => {
    const table = tf.range(0, 8).reshape([4, 2]);
    const before = (tf.backend() as unknown as { numDataIds(): number }).numDataIds();
    const bad = tf.tensor1d([4], "int32");
    expect(() => tf.gather(table, bad)).toThrow(
      "gather: expected indices from 0 to 3, received 4. Check the ids.",
    );
    bad.dispose();
    expect((tf.backend() as unknown as { numDataIds(): number }).numDataIds()).toBe(before);
  });
});
