import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { dropoutHash, dropThreshold, mixBits } from "../../src/core/dropout-hash.ts";
import { dropout } from "../../src/ops/dropout.ts";
import {
  describeBackends,
  describeVariants,
  expectFlatMemory,
} from "../helpers/backend-variants.ts";
import { gradientsOf, normals } from "../helpers/numeric.ts";

describeVariants("dropout", () => {
  it.each([0, 1, -7, 2 ** 31 - 1, -(2 ** 31), 123456789])(
    "keeps what the hash of seed %i and position says",
    (seed) => {
      for (const rate of [0.1, 0.5, 0.75]) {
        const x = normals(1000, 3);
        const keep = Math.fround(1 - rate);
        const expected = Array.from(x, (v, i) =>
          dropoutHash(mixBits(seed), i) >= Math.round(rate * 2 ** 32) ? Math.fround(v / keep) : 0,
        );
        const seedTensor = tf.scalar(seed, "int32");
        const y = tf.tidy(() => dropout(tf.tensor2d(x, [10, 100]), rate, seedTensor).dataSync());
        expect([...y]).toEqual(expected);
        const [dx] = gradientsOf((a) => tf.sum(dropout(a, rate, seedTensor)), [tf.tensor1d(x)]);
        expect([...dx!]).toEqual(expected.map((v) => (v === 0 ? 0 : Math.fround(1 / keep))));
      }
    },
  );

  it("passes everything at rate 0 and leaves nothing behind", () => {
    const x = tf.ones([4]);
    const seed = tf.scalar(1, "int32");
    expect([...dropout(x, 0, seed).dataSync()]).toEqual([1, 1, 1, 1]);
    expectFlatMemory(() => {
      tf.grad((a: tf.Tensor) => tf.sum(dropout(a, 0.5, seed)))(x).dispose();
    });
  });
});

describeBackends("dropout of four million elements", () => {
  it("has the mask of the hash at every position", () => {
    const size = 2 ** 22;
    const [seed, rate] = [-123456789, 0.1];
    const mixed = mixBits(seed);
    const threshold = dropThreshold(rate);
    const y = tf.tidy(() => dropout(tf.ones([size]), rate, tf.scalar(seed, "int32")).dataSync());
    let wrong = 0;
    for (let i = 0; i < size; i++) {
      if (dropoutHash(mixed, i) >= threshold !== y[i]! > 0) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
