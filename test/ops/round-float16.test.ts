import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { roundFloat16 } from "../../src/ops/round-float16.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { float16Cases } from "../helpers/float16-cases.ts";

describeVariants("roundFloat16", () => {
  it("gives every number of binary16 and rounds what is between, bit for bit", () => {
    const { inputs, expected } = float16Cases();
    const received = tf.tidy(() => roundFloat16(tf.tensor1d(inputs)).dataSync<"float32">());
    const wrong = expected.findIndex((y, i) => !Object.is(received[i]!, y));
    expect(wrong === -1 ? [] : [inputs[wrong], received[wrong], expected[wrong]]).toEqual([]);
  });

  it("passes the gradient on, and leaves nothing behind", () => {
    const x = tf.tensor2d([[0.1, -3, 1e6]]);
    expectFlatMemory(() => {
      tf.tidy(() => {
        const dx = tf.grad((v) => tf.sum(tf.mul(roundFloat16(v), tf.tensor1d([1, 2, 3]))))(x);
        expect([...dx.dataSync()]).toEqual([1, 2, 3]);
      });
    });
    x.dispose();
  });
});
