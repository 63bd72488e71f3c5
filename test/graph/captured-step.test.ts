import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { captureStep, type CapturedStep } from "../../src/graph/captured-step.ts";
import { normalTensor } from "../helpers/numeric.ts";
import { hasNative } from "../helpers/native.ts";

interface Backend {
  readonly binding: { getNumOfSavedModels(): number };
  numDataIds(): number;
}

const backend = (): Backend => tf.backend() as unknown as Backend;
const sessions = (): number => backend().binding.getNumOfSavedModels();
const first = (tensor: tf.Tensor): number => tensor.dataSync()[0]!;

/** Runs a step and reads its only number. */
function valueOf(step: CapturedStep<tf.Tensor[], tf.Tensor>, ...inputs: tf.Tensor[]): number {
  const result = step.run(...inputs);
  const value = first(result);
  result.dispose();
  return value;
}

/** A small classifier with TensorFlow.js' own optimizer and loss. */
function classifier() {
  const weights = [normalTensor([8, 16], 1), normalTensor([16, 3], 2)].map((initial) =>
    tf.variable(initial.mul(0.2)),
  );
  const optimizer = tf.train.adam(0.01);
  const step = (x: tf.Tensor, labels: tf.Tensor): tf.Tensor =>
    optimizer.minimize(
      () => {
        const hidden = tf.relu(tf.matMul(x as tf.Tensor2D, weights[0] as tf.Tensor2D));
        const logits = tf.matMul(hidden, weights[1] as tf.Tensor2D);
        return tf.losses.softmaxCrossEntropy<tf.Tensor, tf.Scalar>(labels, logits);
      },
      true,
      weights,
    )!;
  return { weights, optimizer, step };
}

function batch(rows: number, seed: number): [tf.Tensor, tf.Tensor] {
  const labels = tf.tidy(() =>
    tf.oneHot(
      tf.tensor1d(
        Array.from({ length: rows }, (_, i) => (i + seed) % 3),
        "int32",
      ),
      3,
    ),
  );
  return [normalTensor([rows, 8], seed), labels];
}

describe.skipIf(!hasNative)("captureStep on native", () => {
  let steps: CapturedStep<never, never>[] = [];
  const capture: typeof captureStep = (step, options) => {
    const captured = captureStep(step, options);
    steps.push(captured as unknown as CapturedStep<never, never>);
    return captured;
  };

  beforeEach(async () => {
    await selectBackend("native", { threads: 2 });
    steps = [];
  });
  afterEach(() => {
    for (const step of steps) step.dispose();
    expect(sessions()).toBe(0);
    tf.disposeVariables();
  });

  it("trains a plain TensorFlow.js model as the eager step does, over 50 steps of two shapes", () => {
    const [eager, captured] = [classifier(), classifier()];
    const step = capture(captured.step);
    for (let i = 0; i < 50; i++) {
      const [x, labels] = batch(i % 5 === 4 ? 7 : 12, i);
      const expected = first(tf.tidy(() => eager.step(x, labels)));
      // The same operations in the same order, but for what TensorFlow fuses: last bits.
      expect(Math.abs(valueOf(step, x, labels) - expected)).toBeLessThan(2e-6);
      tf.dispose([x, labels]);
    }
    expect(step.report).toMatchObject({ graphs: 2, fallback: null });
    expect(step.report.replayed).toBeGreaterThan(40);
    eager.weights.forEach((weight, i) => {
      const difference = tf.max(tf.abs(tf.sub(weight, captured.weights[i]!)));
      expect(first(difference)).toBeLessThan(1e-5);
    });
  });

  it("gives no other result where XLA compiles it", () => {
    const [eager, captured] = [classifier(), classifier()];
    const step = capture(captured.step, { xla: true });
    const [x, labels] = batch(12, 3);
    for (let i = 0; i < 20; i++) {
      const expected = first(tf.tidy(() => eager.step(x, labels)));
      expect(Math.abs(valueOf(step, x, labels) - expected)).toBeLessThan(1e-5);
    }
    // The first run makes the optimizer's variables.
    expect(step.report).toMatchObject({ replayed: 19, eager: 1 });
  });

  it("leaves no tensor, handle or session behind", () => {
    const { step } = classifier();
    const captured = capture(step, { maxShapes: 3 });
    const counts: number[][] = [];
    for (let i = 0; i < 60; i++) {
      const [x, labels] = batch(4 + (i % 5), i);
      valueOf(captured, x, labels);
      tf.dispose([x, labels]);
      counts.push([tf.memory().numTensors, backend().numDataIds(), sessions()]);
    }
    expect(captured.report.graphs).toBe(3);
    const warm = counts.slice(10);
    expect(new Set(warm.map((row) => row.join())).size).toBe(1);
    expect(warm[0]![2]).toBe(3);
  });

  it("gives variables back when JavaScript looks, and takes over what it assigns", () => {
    const counter = tf.variable(tf.scalar(0));
    const step = capture((by: tf.Tensor) => {
      counter.assign(tf.add(counter, by));
      return tf.mul(counter, 10);
    });
    const one = tf.scalar(1);
    for (let i = 1; i <= 5; i++) expect(valueOf(step, one)).toBe(10 * i);
    expect(step.report.replayed).toBeGreaterThan(0);
    expect(first(counter)).toBe(5);
    const snapshot = counter.clone();
    expect(valueOf(step, one)).toBe(60);
    expect(first(snapshot)).toBe(5);
    const unread = counter.clone();
    expect([valueOf(step, one), valueOf(step, one)]).toEqual([70, 80]);
    expect(first(unread)).toBe(6);
    expect(first(counter)).toBe(8);
    counter.assign(tf.scalar(100));
    expect(valueOf(step, one)).toBe(1010);
    expect(first(tf.add(counter, 1))).toBe(102);
    step.dispose();
    expect(first(counter)).toBe(101);
  });

  it("shares variables between the graphs of several shapes and of several steps", () => {
    const total = tf.variable(tf.scalar(0));
    const add = capture((x: tf.Tensor) => {
      total.assign(tf.add(total, tf.sum(x)));
      return tf.clone(total);
    });
    const read = capture((x: tf.Tensor) => tf.add(total, tf.sum(x)));
    let expected = 0;
    for (let i = 0; i < 24; i++) {
      const size = 1 + (i % 3);
      expected += size;
      expect(valueOf(add, tf.ones([size]))).toBe(expected);
      expect(valueOf(read, tf.ones([2]))).toBe(expected + 2);
    }
    expect(add.report).toMatchObject({ graphs: 3, fallback: null });
    expect(read.report).toMatchObject({ graphs: 1, fallback: null });
  });

  it("keeps apart inputs and variables that share a value when the step is traced", () => {
    const step = capture((x: tf.Tensor, y: tf.Tensor) => tf.sub(tf.mul(x, 10), y));
    const [one, two] = [tf.scalar(1), tf.scalar(2)];
    for (let i = 0; i < 3; i++) expect(valueOf(step, one, one)).toBe(9);
    expect(valueOf(step, one, two)).toBe(8);
    const [a, b] = [tf.variable(one), tf.variable(one)];
    const mixed = capture((x: tf.Tensor) => {
      a.assign(tf.add(a, x));
      return tf.add(tf.mul(a, 10), tf.add(b, tf.mul(x, 100)));
    });
    for (let i = 2; i <= 5; i++) {
      expect(valueOf(mixed, one)).toBe(10 * i + 101);
      // The same value for both again.
      b.assign(one);
    }
    expect(valueOf(mixed, two)).toBe(10 * 7 + 201);
    for (let i = 0; i < 2; i++) {
      const pair = tf.tensor1d([1, 1]);
      const shared = tf.scalar(3);
      for (const variable of [a, b]) variable.assign(shared);
      const results = [pair, pair].map((x) => {
        const total = tf.tidy(() => tf.sum(x));
        const value = valueOf(mixed, total);
        total.dispose();
        return value;
      });
      expect(results).toEqual([10 * 5 + 203, 10 * 7 + 203]);
    }
  });

  it("lets a variable be disposed while its value is in a session", () => {
    const counter = tf.variable(tf.scalar(0));
    const step = capture((by: tf.Tensor) => {
      counter.assign(tf.add(counter, by));
      return tf.clone(counter);
    });
    for (let i = 0; i < 5; i++) valueOf(step, tf.scalar(1));
    const before = backend().numDataIds();
    counter.dispose();
    expect(backend().numDataIds()).toBe(before - 1);
    step.dispose();
  });

  it("captures anew when a tensor from outside is gone", () => {
    let offset = tf.scalar(1);
    const step = capture((x: tf.Tensor) => tf.add(x, offset));
    for (let i = 0; i < 5; i++) expect(valueOf(step, tf.scalar(1))).toBe(2);
    offset.dispose();
    offset = tf.scalar(5);
    for (let i = 0; i < 5; i++) expect(valueOf(step, tf.scalar(1))).toBe(6);
    expect(step.report).toMatchObject({ graphs: 1, fallback: null });
  });

  it("returns lists and records as the step does", () => {
    const list = capture((x: tf.Tensor) => [tf.neg(x), x]);
    const named = capture((x: tf.Tensor) => ({ square: tf.square(x), twice: tf.mul(x, 2) }));
    for (let i = 0; i < 5; i++) {
      expect(list.run(tf.scalar(i + 1)).map(first)).toEqual([-i - 1, i + 1]);
      const { square, twice } = named.run(tf.scalar(i));
      expect([first(square), first(twice)]).toEqual([i * i, 2 * i]);
    }
  });

  it("runs a step that reads values without a graph, and says where it reads", () => {
    const notices: string[] = [];
    const step = capture((x: tf.Tensor) => (first(tf.sum(x)) > 0 ? tf.neg(x) : tf.clone(x)), {
      name: "branching",
      onNotice: (line) => notices.push(line),
    });
    for (const value of [1, -2, 3, -4])
      expect(valueOf(step, tf.scalar(value))).toBe(-Math.abs(value));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(
      /^branching: runs without a graph: it reads a tensor's values at first .*captured-step\.test\.ts.*last: Sum/,
    );
    expect(step.report).toMatchObject({ replayed: 0, graphs: 0 });
  });

  it("does not freeze a number that JavaScript changes from run to run", () => {
    const notices: string[] = [];
    let rate = 1;
    const step = capture((x: tf.Tensor) => tf.mul(x, rate), {
      onNotice: (line) => notices.push(line),
    });
    for (let i = 0; i < 6; i++) {
      rate = i + 1;
      expect(valueOf(step, tf.scalar(2))).toBe(2 * rate);
    }
    expect(notices.filter((line) => line.includes("runs without"))).toEqual([
      expect.stringMatching(
        /a number from JavaScript, used by Mul, changed from \d to \d: make it an input/,
      ),
    ]);
  });

  it("does not freeze random numbers that JavaScript draws", () => {
    const step = capture((x: tf.Tensor) => tf.add(x, tf.randomNormal([3])));
    const x = tf.zeros([3]);
    const drawn = Array.from({ length: 6 }, () => valueOf(step, x));
    expect(new Set(drawn).size).toBe(6);
    expect(step.report.fallback).toMatch(/changed from/);
  });

  it("captures a shape only when it has been seen as often as it was told", () => {
    const step = capture((x: tf.Tensor) => tf.neg(x), { captureAfter: 3 });
    for (let i = 0; i < 5; i++) expect(valueOf(step, tf.scalar(i + 1))).toBe(-i - 1);
    expect(step.report).toMatchObject({ eager: 3, replayed: 2, graphs: 1 });
  });

  it("leaves variables and memory as they were where the step throws", () => {
    const counter = tf.variable(tf.scalar(1));
    let fails = true;
    const step = capture((by: tf.Tensor) => {
      counter.assign(tf.add(counter, by));
      if (fails) throw new Error("no");
      return tf.clone(counter);
    });
    const one = tf.scalar(1);
    const before = [tf.memory().numTensors, backend().numDataIds()];
    expect(() => step.run(one)).toThrow("no");
    expect([tf.memory().numTensors, backend().numDataIds()]).toEqual(before);
    expect(first(counter)).toBe(1);
    fails = false;
    for (let i = 2; i <= 5; i++) expect(valueOf(step, one)).toBe(i);
    expect(step.report).toMatchObject({ graphs: 1, fallback: null });
  });

  it("waits for variables that the step makes in its first runs", () => {
    let slot: tf.Variable | null = null;
    const step = capture((x: tf.Tensor) => {
      slot ??= tf.variable(tf.zerosLike(x));
      slot.assign(tf.add(slot, x));
      return tf.clone(slot);
    });
    for (let i = 1; i <= 6; i++) expect(valueOf(step, tf.scalar(1))).toBe(i);
    expect(step.report.replayed).toBeGreaterThan(0);
  });

  it("runs without a graph where TensorFlow refuses it, and says why", () => {
    // Without its type the operation runs, because TensorFlow infers it; a graph must name it.
    const native = (): { executeSingleOutput(...call: unknown[]): tf.Tensor } =>
      tf.backend() as unknown as { executeSingleOutput(...call: unknown[]): tf.Tensor };
    const step = capture((x: tf.Tensor) => native().executeSingleOutput("Neg", [], [x]));
    for (let i = 0; i < 5; i++) expect(valueOf(step, tf.scalar(i + 1))).toBe(-i - 1);
    expect(step.report).toMatchObject({ replayed: 0, graphs: 0 });
    expect(step.report.fallback).toMatch(/TensorFlow refuses the graph: .*No attr named 'T'/s);
  });
});

describe.each(["wasm", "cpu"] as const)("captureStep on %s", (name) => {
  it("runs the step itself", async () => {
    await selectBackend(name);
    const counter = tf.variable(tf.scalar(0));
    const notices: string[] = [];
    const step = captureStep(
      (by: tf.Tensor) => {
        counter.assign(tf.add(counter, by));
        return tf.clone(counter);
      },
      { onNotice: (line) => notices.push(line) },
    );
    const before = tf.memory().numTensors;
    for (let i = 1; i <= 3; i++) {
      const by = tf.scalar(1);
      expect(valueOf(step, by)).toBe(i);
      by.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(notices).toEqual([]);
    expect(step.report).toEqual({ replayed: 0, eager: 3, graphs: 0, fallback: null });
    counter.dispose();
  });
});
