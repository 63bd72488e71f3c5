import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import {
  lstmGrids,
  lstmSequence as coreSequence,
  lstmStep as coreStep,
} from "../../src/core/lstm.ts";
import { lstmCell } from "../../src/ops/lstm-cell.ts";
import {
  type LstmGrids,
  type LstmInputs,
  lstmSequence,
  type LstmStates,
  lstmStep,
} from "../../src/ops/lstm-sequence.ts";
import { timeSteps } from "../../src/ops/time-steps.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { LSTM_CASES, type LstmCase, lstmTensors, lstmValues } from "../helpers/lstm-cases.ts";
import { expectClose, normals, normalTensor } from "../helpers/numeric.ts";
import { plainLstm, type PlainLstmInputs } from "../helpers/plain-lstm.ts";
import { differencesOf, StraightThrough } from "../helpers/straight-through.ts";

/** {@link lstmSequence} step by step, for TensorFlow.js to differentiate. */
function modular(
  { gates, kernel, bias, clips, ...start }: LstmInputs,
  grids: LstmGrids,
): LstmStates {
  let { hidden, cell } = start;
  const states = timeSteps(gates).map((part) => {
    const given = hidden === null ? bias : tf.add(tf.matMul(hidden, kernel), bias);
    ({ hidden, cell } = lstmStep(tf.add<tf.Tensor2D>(part, given), cell, clips, grids));
    return { hidden, cell };
  });
  return {
    hidden: tf.stack(states.map((state) => state.hidden)) as tf.Tensor3D,
    cells: tf.stack(states.map((state) => state.cell)) as tf.Tensor3D,
  };
}

type Layer = (inputs: LstmInputs, grids: LstmGrids, wantsCells: boolean) => LstmStates;

/** Values of states. */
function statesOf(layer: Layer, lstm: LstmCase, values: PlainLstmInputs): Float32Array[] {
  return tf.tidy(() => {
    const states = layer(lstmTensors(values, lstm), lstm.grids, true);
    return [states.hidden, states.cells!].map((x) => x.dataSync<"float32">());
  });
}

/** Gradients of Σ weights·states by name. */
function gradientsOf(
  layer: Layer,
  lstm: LstmCase,
  values: PlainLstmInputs,
  wantsCells: boolean,
): Record<string, Float32Array> {
  return tf.tidy(() => {
    const inputs = lstmTensors(values, lstm);
    const names = (Object.keys(inputs) as (keyof LstmInputs)[]).filter((n) => inputs[n] !== null);
    const gradients = tf.grads((...tensors: tf.Tensor[]) => {
      const given = Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
      const states = layer({ ...inputs, ...given }, lstm.grids, wantsCells);
      const shape = states.hidden.shape;
      // What a layer does not use has gradients of 0.
      const unused = tensors.map((tensor) => tf.mul(tf.sum(tensor), 0));
      const ofHidden = tf.sum(tf.mul(states.hidden, normalTensor(shape, 91)));
      const loss = tf.add(tf.addN(unused), ofHidden);
      if (!wantsCells) return loss;
      return tf.add(loss, tf.sum(tf.mul(states.cells!, normalTensor(shape, 92))));
    })(names.map((name) => inputs[name]!));
    return Object.fromEntries(names.map((name, i) => [name, gradients[i]!.dataSync<"float32">()]));
  });
}

/** The same by finite differences of formulas in float64, straight through the rounding. */
function differences(
  lstm: LstmCase,
  values: PlainLstmInputs,
  wantsCells: boolean,
): Record<string, Float64Array> {
  const rule = new StraightThrough(lstm.grids.rounding);
  const size = lstm.time * lstm.batch * lstm.units;
  const [ofHidden, ofCells] = [normals(size, 91), normals(size, 92)];
  plainLstm(values, lstm, lstm.grids.bits, rule.record());
  const loss = (): number => {
    const { hidden, cells } = plainLstm(values, lstm, lstm.grids.bits, rule.replay());
    const sum = (x: number[], weights: Float32Array): number =>
      x.reduce((total, value, i) => total + value * weights[i]!, 0);
    return sum(hidden, ofHidden) + (wantsCells ? sum(cells, ofCells) : 0);
  };
  const given = Object.entries(values).filter(([, x]) => x !== null) as [string, Float64Array][];
  return Object.fromEntries(given.map(([name, x]) => [name, differencesOf(loss, x)]));
}

describeVariants("lstmSequence", ({ sums }) => {
  describe.each(LSTM_CASES)("$of: [$time, $batch, $units]", (lstm) => {
    const values = lstmValues(lstm);

    it("gives the states of core, of the formulas and of its parts", () => {
      const states = statesOf(lstmSequence, lstm, values);
      const size = lstm.time * lstm.batch * lstm.units;
      const core = { hidden: new Float32Array(size), cells: new Float32Array(size) };
      const f32 = (x: Float64Array | null) => (x === null ? null : Float32Array.from(x));
      const [gates, kernel, bias] = [values.gates, values.kernel, values.bias].map(f32);
      const inputs = { gates: gates!, kernel: kernel!, bias: bias! };
      const start = { hidden: f32(values.hidden), cell: f32(values.cell) };
      const { bits, rounding } = lstm.grids;
      coreSequence({ ...inputs, ...start }, lstm, lstmGrids(f32(values.clips)!, bits, rounding), {
        ...core,
        sums: new Float32Array(4 * size),
      });
      const rule = new StraightThrough(rounding);
      const plain = plainLstm(values, lstm, bits, rule.record());
      const parts = statesOf(modular, lstm, values);
      [core.hidden, core.cells].forEach((expected, i) => {
        if (sums === "exact") expect([...states[i]!]).toEqual([...expected]);
        else expectClose(states[i]!, expected, 1e-5);
        expectClose(states[i]!, [plain.hidden, plain.cells][i]!, 1e-5);
        expectClose(states[i]!, parts[i]!, 1e-5);
      });
    });

    it.each([false, true])("has the gradients of its parts, cells wanted: %s", (wantsCells) => {
      const own = gradientsOf(lstmSequence, lstm, values, wantsCells);
      const parts = gradientsOf(modular, lstm, values, wantsCells);
      for (const [name, gradient] of Object.entries(parts)) expectClose(own[name]!, gradient, 1e-5);
    });

    // For more units they take long.
    if (lstm.units > 7) return;
    it("has the gradients of finite differences", () => {
      for (const wantsCells of [false, true]) {
        const own = gradientsOf(lstmSequence, lstm, values, wantsCells);
        for (const [name, expected] of Object.entries(differences(lstm, values, wantsCells))) {
          expectClose(own[name]!, expected, 2e-5);
        }
      }
    });
  });

  it.each(["none", "neurst"] as const)("follows the rule for clips at zero: %s", (compat) => {
    const base = LSTM_CASES.find(({ of }) => of === "clipped")!;
    for (let place = 0; place < 6; place++) {
      const clips = base.clips.map((clip, i) => (i === place ? 0 : clip));
      const lstm = { ...base, clips, grids: { ...base.grids, compat } };
      const values = lstmValues(lstm);
      const own = gradientsOf(lstmSequence, lstm, values, true);
      const parts = gradientsOf(modular, lstm, values, true);
      for (const [name, gradient] of Object.entries(parts)) expectClose(own[name]!, gradient, 1e-5);
    }
  });

  it("leaves nothing behind, and needs memory that grows with time alone", () => {
    const base = LSTM_CASES.find(({ of }) => of === "8 bits, states")!;
    const inputs = lstmTensors(lstmValues(base), base);
    const loss = (gates: tf.Tensor, seen: () => void = () => undefined): tf.Tensor => {
      const given = { ...inputs, gates: gates as tf.Tensor3D };
      const { hidden } = lstmSequence(given, base.grids);
      seen();
      return tf.sum(hidden);
    };
    expectFlatMemory(() => {
      tf.tidy(() => void tf.grad((gates) => loss(gates))(inputs.gates));
    });
    const bytesAt = (time: number): number => {
      const gates = tf.ones<tf.Rank.R3>([time, base.batch, 4 * base.units]);
      let bytes = 0;
      tf.tidy(() => {
        const before = tf.memory().numBytes;
        tf.grad((x) =>
          loss(x, () => {
            bytes = tf.memory().numBytes - before;
          }),
        )(gates);
      });
      gates.dispose();
      return bytes;
    };
    const [few, more, most] = [4, 8, 12].map(bytesAt);
    expect(more! - few!).toBeGreaterThan(0);
    expect(most! - more!).toBe(more! - few!);
  });
});

describeVariants("lstmCell", ({ sums }) => {
  it.each(LSTM_CASES)("gives core's codes and cells: $of", (lstm) => {
    const { batch, units, grids } = lstm;
    const values = lstmValues(lstm);
    const gates = Float32Array.from(values.gates.subarray(0, batch * 4 * units));
    const cell = values.cell === null ? null : Float32Array.from(values.cell);
    const clips = Float32Array.from(values.clips);
    const expected = {
      hidden: new Float32Array(batch * units),
      cell: new Float32Array(batch * units),
    };
    const coreGrids = lstmGrids(clips, grids.bits, grids.rounding);
    coreStep({ sums: gates, cell, units }, coreGrids, expected, "codes");
    tf.tidy(() => {
      const given = {
        sums: tf.tensor2d(gates, [batch, 4 * units]),
        cell: cell === null ? null : tf.tensor2d(cell, [batch, units]),
        clips: tf.tensor1d(clips),
      };
      const states = lstmCell(given, grids);
      const [hidden, next] = [states.hidden, states.cell].map((x) => x.dataSync());
      if (sums === "exact") {
        expect([...hidden!]).toEqual([...expected.hidden]);
        expect([...next!]).toEqual([...expected.cell]);
      } else {
        expectClose(hidden!, expected.hidden, 1e-5);
        expectClose(next!, expected.cell, 1e-5);
      }
    });
  });
});
