/**
 * One cell of an LSTM, made of named operations that can be observed, quantized and overridden one by
 * one; see ADR 11 for where it rounds.
 */
import * as tf from "@tensorflow/tfjs";
import { LSTM_GATES, type LstmGate } from "../core/lstm.ts";
import { affineLstmCell } from "../ops/affine-lstm-cell.ts";
import { lstmCell } from "../ops/lstm-cell.ts";
import { type LstmGrids, lstmSequence, type LstmStates } from "../ops/lstm-sequence.ts";
import { timeSteps } from "../ops/time-steps.ts";
import { AffineQuantizer } from "../quant/affine-quantizer.ts";
import { isWatched, type Pass } from "../quant/pass.ts";
import { ClipQuantizer, type Quantizer } from "../quant/quantizers.ts";
import type { QuantDense } from "./dense.ts";
import type { QuantActivation } from "./elementwise.ts";
import { EltwiseAdd, EltwiseMult } from "./elementwise.ts";
import { lastWidth } from "./input-tensors.ts";
import { stepPasses } from "./positions.ts";
import { RecurrentCell, type CellStates } from "./recurrent-cell.ts";

/** States after a step; `hidden` for use in products. */
interface RealStates {
  readonly hidden: tf.Tensor2D;
  readonly cell: tf.Tensor2D;
}

/**
 * s = (x·kernelₓ + biasₓ) + (h·kernelₕ + biasₕ), cut into i, f, g, o;
 * c' = σ(f)·c + σ(i)·tanh(g); h' = σ(o)·tanh(c'). With `hardSigmoid` in the gates it runs operation by
 * operation.
 */
export class QuantLSTMCell extends RecurrentCell {
  static readonly className = "QuantLSTMCell";
  override readonly stateNames = ["hidden", "cell"] as const;
  #fcGateX!: QuantDense;
  #fcGateH!: QuantDense;
  #eltwiseaddGate!: EltwiseAdd;
  #activations!: Readonly<Record<LstmGate | "h", QuantActivation>>;
  #multForget!: EltwiseMult;
  #multInput!: EltwiseMult;
  #addCell!: EltwiseAdd;
  #multHidden!: EltwiseMult;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const inputs = lastWidth(this.name, inputShape);
    const { units } = this;
    const { roundsEach } = this.policy;
    this.#fcGateX = this.projection("fc_gate_x", { inputs, outputs: 4 * units });
    this.#fcGateH = this.projection("fc_gate_h", { inputs: units, outputs: 4 * units });
    this.#eltwiseaddGate = this.operation("eltwiseadd_gate", EltwiseAdd, roundsEach);
    this.#activations = {
      f: this.activationLayer("act_f", this.recurrentActivation),
      i: this.activationLayer("act_i", this.recurrentActivation),
      o: this.activationLayer("act_o", this.recurrentActivation),
      g: this.activationLayer("act_g", "tanh"),
      h: this.activationLayer("act_h", "tanh", false),
    };
    this.#multForget = this.operation("eltwisemult_cell_forget", EltwiseMult, roundsEach);
    this.#multInput = this.operation("eltwisemult_cell_input", EltwiseMult, roundsEach);
    this.#addCell = this.operation("eltwiseadd_cell", EltwiseAdd, true, "cell");
    this.#multHidden = this.operation("eltwisemult_hidden", EltwiseMult, true, "product");
    super.build(inputShape);
  }

  protected override get inputProjection(): QuantDense {
    return this.#fcGateX;
  }

  override run(
    x: tf.Tensor3D,
    start: CellStates | null,
    pass: Pass,
    wantsStates = false,
  ): { outputs: tf.Tensor3D; states: tf.Tensor3D[] } {
    const gates = this.#fcGateX.transformOperand(x, pass) as tf.Tensor3D;
    const whole =
      isWatched(pass) || this.policy.roundsEach || this.recurrentActivation !== "sigmoid"
        ? null
        : this.#whole(gates, start, wantsStates, pass);
    const { hidden, cells } =
      whole ?? this.#stepwise(gates, start, pass, (...state) => this.#modular(...state));
    return { outputs: hidden, states: wantsStates ? [hidden, cells!] : [] };
  }

  /**
   * Where nobody looks inside: the whole sequence, or all of a step but its exact product, at once. Null
   * where the quantizers of the places differ too much for that.
   */
  #whole(
    gates: tf.Tensor3D,
    start: CellStates | null,
    wantsStates: boolean,
    pass: Pass,
  ): LstmStates | null {
    if (this.sublayers.some((layer) => layer.isFloat16)) return null;
    const all = this.#siteQuantizers();
    const quantizers = all.filter((q) => q === null || q instanceof ClipQuantizer);
    if (quantizers.length < all.length) return this.#affineSteps(all, gates, start, pass);
    const spec = quantizers.find((quantizer) => quantizer !== null)?.spec;
    const { rounding, compat } = spec ?? { rounding: "half_even", compat: "none" };
    const bits = quantizers.map((quantizer) => quantizer?.bits ?? 0);
    const grids: LstmGrids = { bits, rounding, compat };
    const clips =
      spec === undefined
        ? tf.ones<tf.Rank.R1>([quantizers.length])
        : (tf.stack(quantizers.map((q) => q?.clip?.read() ?? tf.scalar(1))) as tf.Tensor1D);
    if (pass.products === "codes" && spec !== undefined) {
      return this.#stepwise(gates, start, pass, (sums, cell) => {
        const states = lstmCell({ sums, cell, clips }, grids);
        return { ...states, hidden: this.#multHidden.markOutput(states.hidden, pass) };
      });
    }
    const [hidden, cell] = (start ?? [null, null]) as [tf.Tensor2D | null, tf.Tensor2D | null];
    const inputs = {
      gates,
      kernel: this.#fcGateH.kernelValues(pass),
      bias: this.#fcGateH.bias!,
      clips,
      hidden: hidden === null ? null : this.#multHidden.requantize(hidden, pass),
      cell: cell === null ? null : this.#addCell.requantize(cell, pass),
    };
    return lstmSequence(inputs, grids, wantsStates);
  }

  /** Steps with observed ranges at all places that are quantized; null where not all are such. */
  #affineSteps(
    all: readonly (Quantizer | null)[],
    gates: tf.Tensor3D,
    start: CellStates | null,
    pass: Pass,
  ): LstmStates | null {
    const quantizers = all.filter((q) => q === null || q instanceof AffineQuantizer);
    if (quantizers.length < all.length || pass.products === "values") return null;
    const gathered = (name: "scale" | "zeroPoint"): tf.Tensor1D =>
      tf.stack(quantizers.map((q) => q?.variables[name].read() ?? tf.scalar(1))) as tf.Tensor1D;
    const grids = { scales: gathered("scale"), zeroPoints: gathered("zeroPoint") };
    const stored = quantizers.map((quantizer) => quantizer?.stored ?? null);
    return this.#stepwise(gates, start, pass, (sums, cell) => {
      const states = affineLstmCell({ sums, cell, ...grids }, stored);
      return { ...states, hidden: this.#multHidden.markOutput(states.hidden, pass) };
    });
  }

  /** The quantizers of {@link LstmGrids}' places, in their order. */
  #siteQuantizers(): (Quantizer | null)[] {
    const gates = LSTM_GATES.map((gate) => this.#activations[gate].quantizers.get("input"));
    const states = [this.#addCell, this.#multHidden].map((l) => l.quantizers.get("output"));
    return [...gates, ...states].map((quantizer) => quantizer ?? null);
  }

  /** Step after step. @param finish what follows the sum of a step's two products */
  #stepwise(
    gates: tf.Tensor3D,
    start: CellStates | null,
    pass: Pass,
    finish: (sums: tf.Tensor2D, cell: tf.Tensor2D | null, stepPass: Pass) => RealStates,
  ): LstmStates {
    const [first, firstCell] = (start ?? []) as (tf.Tensor2D | undefined)[];
    const before = first ?? this.firstHidden(gates, pass);
    let hidden = before === null ? null : this.#multHidden.requantizeOperand(before, pass);
    let cell = firstCell === undefined ? null : this.#addCell.requantize(firstCell, pass);
    const passes = stepPasses(pass, gates.shape[0]);
    const all = timeSteps(gates).map((part, t) => {
      const stepPass = passes[t] ?? pass;
      const recurrent =
        hidden === null
          ? this.#fcGateH.ofZeros(part.shape[0], stepPass)
          : this.#fcGateH.transformOperand(hidden, stepPass);
      const sums = this.#eltwiseaddGate.combine([part, recurrent], stepPass) as tf.Tensor2D;
      const states = finish(sums, cell, stepPass);
      ({ hidden, cell } = states);
      return states;
    });
    const cells = tf.stack(all.map((states) => states.cell)) as tf.Tensor3D;
    const outputs = all.map((states) => states.hidden);
    return { hidden: this.stackHidden(outputs, pass), cells };
  }

  /** What follows the sum, operation by operation. */
  #modular(sums: tf.Tensor2D, cell: tf.Tensor2D | null, pass: Pass): RealStates {
    const act = this.#activations;
    const [i, f, g, o] = tf.split(sums, 4, 1).map((part, at) => {
      return act[LSTM_GATES[at]!].combine([part], pass) as tf.Tensor2D;
    }) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const added = this.#multInput.combine([i, g], pass) as tf.Tensor2D;
    const kept =
      cell === null
        ? tf.zerosLike(added)
        : (this.#multForget.combine([f, cell], pass) as tf.Tensor2D);
    const next = this.#addCell.combine([kept, added], pass) as tf.Tensor2D;
    const output = act.h.combine([next], pass) as tf.Tensor2D;
    return {
      hidden: this.#multHidden.combineOperand([o, output], pass) as tf.Tensor2D,
      cell: next,
    };
  }
}
