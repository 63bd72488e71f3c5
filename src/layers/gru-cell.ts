/** One cell of a GRU, made of named operations that can be observed, quantized and overridden. */
import * as tf from "@tensorflow/tfjs";
import { timeSteps } from "../ops/time-steps.ts";
import type { Pass } from "../quant/pass.ts";
import type { QuantDense } from "./dense.ts";
import { EltwiseAdd, EltwiseMult, type QuantActivation } from "./elementwise.ts";
import { lastWidth } from "./input-tensors.ts";
import { stepPasses } from "./positions.ts";
import { valuesOf } from "./product.ts";
import { type CellStates, RecurrentCell, type RecurrentCellArgs } from "./recurrent-cell.ts";

export interface QuantGRUCellArgs extends RecurrentCellArgs {
  /**
   * True multiplies the hidden state's part of the new state by the reset gate after the product, as
   * PyTorch; false multiplies the hidden state before it, as tf.layers.gru [default: true].
   */
  readonly resetAfter?: boolean;
}

/** What a step takes of the hidden state. */
interface RecurrentParts {
  /** Of the sums of r and z: [batch, 2·units], or [2·units] where the state is zeros. */
  readonly gates: tf.Tensor;
  /** Of the sum of n, from the reset gate. */
  readonly candidate: (reset: tf.Tensor2D) => tf.Tensor;
}

/**
 * r = σ(x·Wᵣ + bᵣ + h·Uᵣ + cᵣ), z alike; n = tanh(x·Wₙ + bₙ + r·(h·Uₙ + cₙ)), or with
 * `resetAfter: false` n = tanh(x·Wₙ + bₙ + (r·h)·Uₙ + cₙ); h' = (1 − z)·n + z·h.
 *
 * `fc_gate_x` is [W, b], `fc_gate_h` is [U, c], with the gates in the order r, z, n. The hidden state
 * enters a product, so that it has the bits of activations; so has r·h where it enters one.
 * @see Cho et al. 2014, arXiv:1406.1078; gate order as PyTorch's GRU
 */
export class QuantGRUCell extends RecurrentCell {
  static readonly className = "QuantGRUCell";
  override readonly stateNames = ["hidden"] as const;
  readonly resetAfter: boolean;
  #fcGateX!: QuantDense;
  #fcGateH!: QuantDense;
  #addGate!: EltwiseAdd;
  #actR!: QuantActivation;
  #actZ!: QuantActivation;
  #multReset!: EltwiseMult;
  #addNew!: EltwiseAdd;
  #actN!: QuantActivation;
  #multNew!: EltwiseMult;
  #multHidden!: EltwiseMult;
  #addHidden!: EltwiseAdd;

  constructor(args: QuantGRUCellArgs) {
    super(args);
    this.resetAfter = args.resetAfter ?? true;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const inputs = lastWidth(this.name, inputShape);
    const { units, resetAfter } = this;
    const { roundsEach } = this.policy;
    this.#fcGateX = this.projection("fc_gate_x", { inputs, outputs: 3 * units });
    this.#fcGateH = this.projection("fc_gate_h", { inputs: units, outputs: 3 * units });
    this.#addGate = this.operation("eltwiseadd_gate", EltwiseAdd, roundsEach);
    this.#actR = this.activationLayer("act_r", this.recurrentActivation);
    this.#actZ = this.activationLayer("act_z", this.recurrentActivation);
    const resetUse = resetAfter ? "elementwise" : "product";
    const roundsReset = roundsEach || !resetAfter;
    this.#multReset = this.operation("eltwisemult_reset", EltwiseMult, roundsReset, resetUse);
    this.#addNew = this.operation("eltwiseadd_new", EltwiseAdd, roundsEach);
    this.#actN = this.activationLayer("act_n", "tanh");
    this.#multNew = this.operation("eltwisemult_new", EltwiseMult, roundsEach);
    this.#multHidden = this.operation("eltwisemult_hidden", EltwiseMult, roundsEach);
    this.#addHidden = this.operation("eltwiseadd_hidden", EltwiseAdd, true, "product");
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
    const [first] = (start ?? []) as (tf.Tensor2D | undefined)[];
    const sums = this.#fcGateX.transformOperand(x, pass) as tf.Tensor3D;
    const passes = stepPasses(pass, sums.shape[0]);
    const before = first ?? this.firstHidden(sums, pass);
    let hidden = before === null ? null : this.#addHidden.requantizeOperand(before, pass);
    const all = timeSteps(sums).map((part, t) => {
      hidden = this.#step(part, hidden, passes[t] ?? pass);
      return hidden;
    });
    const outputs = this.stackHidden(all, pass);
    return { outputs, states: wantsStates ? [outputs] : [] };
  }

  /**
   * @param sums [batch, 3·units]: the inputs' part of the sums of r, z and n
   * @param hidden as products take it; null: zeros
   * @returns the next hidden state, as products take it
   */
  #step(sums: tf.Tensor2D, hidden: tf.Tensor2D | null, pass: Pass): tf.Tensor2D {
    const values = hidden === null ? null : valuesOf(hidden, pass);
    const recurrent = this.#recurrentParts(sums.shape[0], hidden, values, pass);
    const [gates, candidate] = this.#split(sums);
    const [r, z] = tf.split(this.#addGate.combine([gates, recurrent.gates], pass), 2, 1);
    const reset = this.#actR.combine([r!], pass) as tf.Tensor2D;
    const update = this.#actZ.combine([z!], pass);
    const sum = this.#addNew.combine([candidate, recurrent.candidate(reset)], pass);
    const next = this.#actN.combine([sum], pass);
    const added = this.#multNew.combine([tf.sub(1, update), next], pass);
    const kept =
      values === null ? tf.zerosLike(added) : this.#multHidden.combine([update, values], pass);
    return this.#addHidden.combineOperand([added, kept], pass) as tf.Tensor2D;
  }

  #recurrentParts(
    count: number,
    hidden: tf.Tensor2D | null,
    values: tf.Tensor2D | null,
    pass: Pass,
  ): RecurrentParts {
    const fc = this.#fcGateH;
    if (hidden === null || this.resetAfter) {
      const all = hidden === null ? fc.ofZeros(count, pass) : fc.transformOperand(hidden, pass);
      const [gates, rest] = this.#split(all);
      return {
        gates,
        // Without a hidden state nothing is left to reset before a product.
        candidate: (reset) =>
          this.resetAfter ? this.#multReset.combine([reset, rest], pass) : rest,
      };
    }
    const { units } = this;
    return {
      gates: fc.transformOperand(hidden, pass, { begin: 0, end: 2 * units }),
      candidate: (reset) => {
        const operand = this.#multReset.combineOperand([reset, values!], pass);
        return fc.transformOperand(operand, pass, { begin: 2 * units, end: 3 * units });
      },
    };
  }

  /** The parts of r and z together, and of n, along the last axis. */
  #split(all: tf.Tensor): [tf.Tensor, tf.Tensor] {
    const { units } = this;
    return tf.split(all, [2 * units, units], all.rank - 1) as [tf.Tensor, tf.Tensor];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), resetAfter: this.resetAfter };
  }
}
