/** TensorFlow.js' own operations that run otherwise on native than in the package. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { expectClose, normalTensor } from "../helpers/numeric.ts";

describe.runIf(hasNative)("TensorFlow.js on native", () => {
  beforeAll(() => selectBackend("native"));

  /** Operations that the step `use` hands to TensorFlow. */
  function operationsOf(use: () => void): string[] {
    const backend = tf.backend() as unknown as {
      binding: { executeOp(name: string, ...rest: unknown[]): unknown };
    };
    const { binding } = backend;
    const names: string[] = [];
    backend.binding = Object.create(binding, {
      executeOp: {
        value: (name: string, ...rest: unknown[]) => {
          names.push(name);
          return binding.executeOp(name, ...rest);
        },
      },
      tensorDataSync: {
        value: () => {
          throw new Error("a tensor's values were read");
        },
      },
    }) as typeof binding;
    try {
      tf.tidy(use);
    } finally {
      backend.binding = binding;
    }
    return names;
  }

  it("gathers without a look at the indices, along any axis and batch", () => {
    const x = normalTensor<tf.Rank.R3>([3, 4, 5], 1);
    const rows = x.arraySync();
    const ids = tf.tensor1d([2, 0, 2], "int32");
    expect(operationsOf(() => void tf.gather(x, ids, 1))).toEqual(["GatherV2"]);
    expect(tf.gather(x, ids, 1).arraySync()).toEqual(rows.map((r) => [r[2], r[0], r[2]]));
    const each = tf.tensor2d([1, 3, 0, 0, 2, 1], [3, 2], "int32");
    const expected = [
      [rows[0]![1], rows[0]![3]],
      [rows[1]![0], rows[1]![0]],
      [rows[2]![2], rows[2]![1]],
    ];
    expect(tf.gather(x, each, 1, 1).arraySync()).toEqual(expected);
    expect(() => tf.gather(x, tf.tensor1d([3], "int32"))).toThrow(/not in \[0, 3\)/);
    tf.dispose([x, ids, each]);
  });

  it("keeps a shape and a type without an operation, and memory until both owners are gone", () => {
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    let same: tf.Tensor[] = [];
    const use = (): void => {
      same = [tf.keep(tf.reshape(x, [2, 2])), tf.keep(tf.cast(x, "float32"))];
    };
    expect(operationsOf(use)).toEqual([]);
    x.dispose();
    for (const y of same) {
      expect([...y.dataSync()]).toEqual([1, 2, 3, 4]);
      y.dispose();
    }
    expectFlatMemory(() => {
      tf.tidy(() => {
        tf.reshape(tf.cast(tf.ones([6]), "int32"), [2, 3])
          .clone()
          .dispose();
      });
    });
  });

  it("casts between all plain types, and reshapes texts", () => {
    const x = tf.tensor1d([-1.7, 0, 2.9]);
    expect([...tf.cast(x, "int32").dataSync()]).toEqual([-1, 0, 2]);
    expect([...tf.cast(x, "bool").dataSync()]).toEqual([1, 0, 1]);
    expect([...tf.cast(tf.tensor1d([true, false]), "float32").dataSync()]).toEqual([1, 0]);
    expect(tf.reshape(tf.tensor1d(["a", "b"]), [2, 1]).arraySync()).toEqual([["a"], ["b"]]);
  });

  it("steps at zero and keeps NaN", () => {
    const x = tf.tensor1d([-2, -0, 0, 3, NaN, Infinity, -Infinity]);
    expect([...tf.step(x).dataSync()]).toEqual([0, 0, 0, 1, NaN, 1, 0]);
    expect([...tf.step(x, 0.5).dataSync()]).toEqual([0.5, 0.5, 0.5, 1, NaN, 1, 0.5]);
  });

  it("multiplies matrices and batches, turned or not", () => {
    const [a, b] = [normalTensor([2, 3, 4, 5], 1), normalTensor([2, 3, 5, 6], 2)];
    const turn = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [0, 1, 3, 2]);
    const y = tf.matMul(a, b).dataSync();
    expectClose(tf.matMul(turn(a), b, true, false).dataSync(), y, 1e-6);
    expectClose(tf.matMul(a, turn(b), false, true).dataSync(), y, 1e-6);
    expectClose(tf.matMul(turn(a), turn(b), true, true).dataSync(), y, 1e-6);
    const [m, n] = [normalTensor<tf.Rank.R2>([4, 5], 1), normalTensor<tf.Rank.R2>([5, 6], 2)];
    expect(operationsOf(() => void tf.matMul(m, n))).toEqual(["MatMul"]);
    const z = tf.matMul(m, n).dataSync();
    expectClose(tf.matMul(tf.transpose(m), tf.transpose(n), true, true).dataSync(), z, 1e-6);
  });
});
