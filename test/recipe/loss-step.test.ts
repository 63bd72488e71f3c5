import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { evaluationBatches } from "../../src/data/batch-stream.ts";
import { batchLosses, lossInputs, LossStep } from "../../src/recipe/loss-step.ts";
import { withPass } from "../../src/quant/pass.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { makeTinyTransformer, TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const SMOOTHING = 0.1;
const IDS = { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos };
const TARGETS = tinySentences(24, 9);
const EXAMPLES = tinySentences(24).map((source, i) => ({ source, target: TARGETS[i]! }));

interface Backend {
  readonly binding: { getNumOfSavedModels(): number };
}

const sessions = (): number => (tf.backend() as unknown as Backend).binding.getNumOfSavedModels();

const batches = () => [...evaluationBatches(EXAMPLES, 8, IDS, 8)];

function evaluate(step: LossStep, model: Transformer): Float32Array[] {
  return batches().map((batch) => {
    const inputs = lossInputs(batch);
    const losses = step.run(model, inputs);
    const values = losses.dataSync<"float32">();
    tf.dispose([losses, ...inputs]);
    return values;
  });
}

function evaluateEagerly(model: Transformer): Float32Array[] {
  return withPass({ products: "codes" }, (pass) =>
    batches().map((batch) =>
      tf.tidy(() => batchLosses(model, lossInputs(batch), SMOOTHING, pass).dataSync<"float32">()),
    ),
  );
}

/** Float sums in another order; with codes, a probability may round to its neighbour besides. */
function expectClose(a: readonly Float32Array[], b: readonly Float32Array[], within: number): void {
  a.forEach((losses, i) => {
    const furthest = losses.map((loss, j) => Math.abs(loss - b[i]![j]!));
    expect(Math.max(...furthest)).toBeLessThan(within);
  });
}

it("pads both sides of evaluation batches to a multiple", () => {
  for (const { sourceTime, targetTime } of batches()) {
    expect(sourceTime % 8).toBe(0);
    expect(targetTime).toBe(sourceTime);
  }
});

describe.skipIf(!hasNative)("captured evaluation", () => {
  beforeAll(() => selectBackend("native"));

  it.each([
    ["float", null, 1e-5],
    ["codes", {}, 0.02],
  ] as const)("equals eager evaluation: %s", (_name, quantParams, within) => {
    const model = makeTinyTransformer({}, quantParams);
    const step = new LossStep(SMOOTHING);
    for (let i = 0; i < 3; i++) expectClose(evaluate(step, model), evaluateEagerly(model), within);
    expect(step.report).toMatchObject({ eager: 0, fallback: null });
    step.dispose();
    model.dispose();
  });

  it("uses the graphs again when weights have changed, and frees them", () => {
    const model = makeTinyTransformer();
    const step = new LossStep(SMOOTHING);
    const before = sessions();
    const old = evaluate(step, model);
    const { graphs } = step.report;
    for (const variable of model.variables.values()) {
      tf.tidy(() => {
        variable.assign(tf.mul(variable, 1.25));
      });
    }
    const changed = evaluate(step, model);
    expect(changed[0]).not.toEqual(old[0]);
    expectClose(changed, evaluateEagerly(model), 0.02);
    expect(step.report.graphs).toBe(graphs);
    expectFlatMemory(() => evaluate(step, model));
    expect(sessions() - before).toBe(graphs);
    step.dispose();
    expect(sessions()).toBe(before);
    model.dispose();
  });

  it("has the same bits whether or not others went before", () => {
    const model = makeTinyTransformer();
    const [used, fresh] = [new LossStep(SMOOTHING), new LossStep(SMOOTHING)];
    for (let i = 0; i < 3; i++) evaluate(used, model);
    expect(evaluate(fresh, model)).toEqual(evaluate(used, model));
    used.dispose();
    fresh.dispose();
    model.dispose();
  });
});
