import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, normals } from "../helpers/numeric.ts";

interface Fixture {
  readonly source: string;
  readonly beta_1: number;
  readonly beta_2: number;
  readonly epsilon: number;
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly initial: Readonly<Record<string, number[]>>;
  readonly steps: readonly {
    readonly learning_rate: number;
    readonly gradients: Readonly<Record<string, number[]>>;
    readonly values: Readonly<Record<string, number[]>>;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/train/adam.json", import.meta.url), "utf8"),
) as Fixture;
const options = { beta1: fixture.beta_1, beta2: fixture.beta_2, epsilon: fixture.epsilon };

function makeVariables(): Map<string, tf.Variable> {
  return new Map(
    Object.entries(fixture.initial).map(([name, values]) => [
      name,
      tf.tidy(() => tf.variable(tf.tensor(values, fixture.shapes[name], "float32"))),
    ]),
  );
}

function applyStep(adam: Adam, step: number, names = Object.keys(fixture.shapes)): void {
  const { learning_rate: rate, gradients } = fixture.steps[step]!;
  tf.tidy(() => {
    const tensors = names.map(
      (name) => [name, tf.tensor(gradients[name]!, fixture.shapes[name], "float32")] as const,
    );
    adam.beginStep();
    const corrected = tf.scalar(adam.correctedRate(rate));
    adam.apply(new Map(tensors), () => corrected);
  });
}

describeVariants("Adam", () => {
  it("follows Keras over ten steps", () => {
    const variables = makeVariables();
    const adam = new Adam(variables, options);
    fixture.steps.forEach(({ values }, step) => {
      applyStep(adam, step);
      for (const [name, variable] of variables)
        expectClose(variable.dataSync(), values[name]!, 2e-7);
    });
    expect(adam.step).toBe(10);
    adam.dispose();
    tf.dispose([...variables.values()]);
  });

  it("continues from its saved state to the bit", async () => {
    const whole = makeVariables();
    const wholeAdam = new Adam(whole, options);
    const first = makeVariables();
    const firstAdam = new Adam(first, options);
    for (let step = 0; step < 5; step++) applyStep(firstAdam, step);
    const second = new Map(
      [...first].map(([name, v]) => [name, tf.tidy(() => tf.variable(v.clone()))] as const),
    );
    const secondAdam = new Adam(second, options);
    secondAdam.restore(await firstAdam.state());
    for (let step = 0; step < 10; step++) applyStep(wholeAdam, step);
    for (let step = 5; step < 10; step++) applyStep(secondAdam, step);
    for (const [name, variable] of whole) {
      expect(second.get(name)!.dataSync()).toEqual(variable.dataSync());
    }
    expect(await secondAdam.state()).toEqual(await wholeAdam.state());
    for (const adam of [wholeAdam, firstAdam, secondAdam]) adam.dispose();
    tf.dispose([whole, first, second].flatMap((variables) => [...variables.values()]));
  });

  it("keeps slots with their variable when another one gets no gradient", async () => {
    const variables = makeVariables();
    const adam = new Adam(variables, options);
    applyStep(adam, 0);
    const before = await adam.state();
    const kernel = variables.get("kernel")!.dataSync().slice();
    applyStep(adam, 1, ["clip_max", "bias"]);
    const after = await adam.state();
    expect(variables.get("kernel")!.dataSync()).toEqual(kernel);
    expect(after.slots.get("m/kernel")).toEqual(before.slots.get("m/kernel"));
    expect(after.slots.get("m/bias")).not.toEqual(before.slots.get("m/bias"));
    adam.dispose();
    tf.dispose([...variables.values()]);
  });

  it("uses the rate of each variable", () => {
    const variables = makeVariables();
    const adam = new Adam(variables, options);
    tf.tidy(() => {
      const gradients = new Map([...variables].map(([name, v]) => [name, tf.onesLike(v)]));
      adam.beginStep();
      const rateOf = (name: string): number => (name === "clip_max" ? 0.5 : 0.25);
      adam.apply(gradients, (name) => tf.scalar(adam.correctedRate(rateOf(name))));
    });
    const moved = (name: string): number =>
      fixture.initial[name]![0]! - variables.get(name)!.dataSync()[0]!;
    // The first step of Adam is the rate itself, whatever the size of the gradient.
    expect(moved("clip_max")).toBeCloseTo(0.5, 5);
    expect(moved("bias")).toBeCloseTo(0.25, 5);
    adam.dispose();
    tf.dispose([...variables.values()]);
  });

  it("refuses slots that are missing, surplus or of another size, and changes nothing", async () => {
    const variables = makeVariables();
    const adam = new Adam(variables, options);
    applyStep(adam, 0);
    const state = await adam.state();
    const changed = (change: (slots: Map<string, Float32Array>) => void) => () => {
      const slots = new Map(state.slots);
      change(slots);
      adam.restore({ step: 5, slots });
    };
    expect(changed((slots) => slots.delete("v/bias"))).toThrow(CheckpointError);
    expect(changed((slots) => slots.delete("v/bias"))).toThrow(
      /v\/bias: expected 4 values, received none/,
    );
    expect(changed((slots) => slots.set("m/other", normals(2, 1)))).toThrow(
      /m\/other: expected none, received 2 values/,
    );
    expect(changed((slots) => slots.set("m/kernel", normals(2, 1)))).toThrow(
      /m\/kernel: expected 12 values, received 2/,
    );
    expect(await adam.state()).toEqual(state);
    adam.dispose();
    tf.dispose([...variables.values()]);
  });

  it("leaves no tensor behind", () => {
    const variables = makeVariables();
    const adam = new Adam(variables, options);
    expectFlatMemory(() => {
      applyStep(adam, 0);
    });
    adam.dispose();
    tf.dispose([...variables.values()]);
  });
});
