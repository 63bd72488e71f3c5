/** Layers of recurrent cells over whole sequences: stacked, in one direction or two. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError, ShapeError } from "../errors.ts";
import { reverseSequence, zeroPadding } from "../ops/reverse-sequence.ts";
import type { Pass } from "../quant/pass.ts";
import { dropoutIn } from "./dropout.ts";
import { EltwiseAdd } from "./elementwise.ts";
import { firstShape, lastWidth } from "./input-tensors.ts";
import { atPositions, timeMajor } from "./positions.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";
import type {
  CellStates,
  GateActivation,
  RecurrentCell,
  RecurrentCellArgs,
} from "./recurrent-cell.ts";

export interface RecurrentStackArgs extends QuantLayerArgs {
  /** Width of each direction's result. */
  readonly units: number;
  /** [default: 1] */
  readonly numLayers?: number;
  /** True runs a second cell of each layer from the end; results lie side by side [default: false]. */
  readonly bidirectional?: boolean;
  /** Dropout of the input of each layer after the first [default: 0]. */
  readonly dropoutRate?: number;
  /** True drops inputs of the first layer out as well [default: false]. */
  readonly dropsFirstInput?: boolean;
  /** First layer, counted from 0, whose input is added to its result [default: none]. */
  readonly residualFrom?: number | null;
  /** See {@link RecurrentCellArgs}. */
  readonly recurrentActivation?: GateActivation;
  readonly initialRange?: number | null;
  readonly recurrentBiasRange?: number | null;
  /** Under the host: true returns all times, false each direction's last one [default: true]. */
  readonly returnSequences?: boolean;
}

/** How a batch runs. */
export interface RecurrentRun {
  /** int32 [batch]: how many steps of each row are real, 1 or more; null: all. */
  readonly lengths?: tf.Tensor1D | null;
  /**
   * States before the first step: those of each layer's cell, and then of its cell of the other
   * direction, in the order of the cells' `stateNames`; null: zeros.
   */
  readonly start?: readonly CellStates[] | null;
  /** Whether the states after each row's last real step are wanted [default: false]. */
  readonly wantsStates?: boolean;
}

/** What a run returns. */
export interface RecurrentResult {
  /** [time, batch, units], or twice the units in two directions; zeros after a row's length. */
  readonly outputs: tf.Tensor3D;
  /** States after each row's last real step, ordered as {@link RecurrentRun.start}; or none. */
  readonly states: CellStates[];
}

interface StackLayer {
  readonly forward: RecurrentCell;
  readonly backward: RecurrentCell | null;
  readonly residual: EltwiseAdd | null;
}

/**
 * layer_k = cell_k over time, or cell_k beside reversed(cell_k of the other direction over the reversed
 * sequence); + its input from `residualFrom` on. Cells are named `cells/<k>` and `cells_reverse/<k>`.
 */
export abstract class RecurrentStack extends QuantLayer {
  readonly args: Required<Omit<RecurrentStackArgs, keyof QuantLayerArgs>>;
  #layers: StackLayer[] = [];

  constructor(args: RecurrentStackArgs) {
    super(args);
    refuseHostOptions(args);
    this.args = {
      units: args.units,
      numLayers: args.numLayers ?? 1,
      bidirectional: args.bidirectional ?? false,
      dropoutRate: args.dropoutRate ?? 0,
      dropsFirstInput: args.dropsFirstInput ?? false,
      residualFrom: args.residualFrom ?? null,
      recurrentActivation: args.recurrentActivation ?? "sigmoid",
      initialRange: args.initialRange ?? null,
      recurrentBiasRange: args.recurrentBiasRange ?? null,
      returnSequences: args.returnSequences ?? true,
    };
  }

  /** A new cell of the stack's kind. */
  protected abstract makeCell(args: RecurrentCellArgs): RecurrentCell;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { numLayers, bidirectional, residualFrom } = this.args;
    let width = lastWidth(this.name, inputShape);
    this.#layers = Array.from({ length: numLayers }, (_, k) => {
      const forward = this.#cell(`cells/${k}`, width);
      const backward = bidirectional ? this.#cell(`cells_reverse/${k}`, width) : null;
      const isResidual = residualFrom !== null && k >= residualFrom;
      const residual = isResidual ? this.#residual(k, width) : null;
      width = this.#outputWidth;
      return { forward, backward, residual };
    });
    super.build(inputShape);
  }

  /** States of all cells before the first step: zeros [rows, units] each. */
  zeroStates(rows: number): CellStates[] {
    const cells = this.#layers.flatMap(({ forward, backward }) => [forward, backward ?? []].flat());
    return cells.map(({ stateNames }) => stateNames.map(() => tf.zeros([rows, this.args.units])));
  }

  get #outputWidth(): number {
    return this.args.units * (this.args.bidirectional ? 2 : 1);
  }

  #cell(name: string, inputs: number): RecurrentCell {
    const { units, recurrentActivation, initialRange, recurrentBiasRange } = this.args;
    const start = { initialRange, recurrentBiasRange };
    const args = { ...this.sublayerArgs(name), units, recurrentActivation, ...start };
    const cell = this.track(this.makeCell(args));
    cell.build([null, inputs]);
    return cell;
  }

  #residual(layer: number, inputs: number): EltwiseAdd {
    if (inputs !== this.#outputWidth) {
      throw new ConfigError(
        `${this.name}: expected a layer with a residual connection to have inputs as wide as its ` +
          `result, received ${inputs} and ${this.#outputWidth} in layer ${layer}. ` +
          `Change residualFrom or units.`,
      );
    }
    const quantizeOutput = this.policy.roundsEach;
    const args = { ...this.sublayerArgs(`eltwiseadd_residuals/${layer}`), quantizeOutput };
    const add = this.track(new EltwiseAdd({ ...args, outputUse: "elementwise" }));
    add.build([null, inputs]);
    return add;
  }

  /** @param x [time, batch, inputs] */
  run(x: tf.Tensor3D, runPass: Pass, options: RecurrentRun = {}): RecurrentResult {
    const { lengths = null, start = null, wantsStates = false } = options;
    // Where a model has said what is real it knows more than the lengths, which may be left out.
    const isKnown = runPass.positions != null;
    const pass = isKnown ? runPass : atPositions(runPass, () => timeMajor(lengths, x.shape[0]));
    const starts = start === null ? null : [...start];
    const states: CellStates[] = [];
    const run = (cell: RecurrentCell, input: tf.Tensor3D, isFirst: boolean): tf.Tensor3D => {
      const operand = cell.inputOperand(input, pass);
      const drops = !isFirst || this.args.dropsFirstInput;
      const dropped = drops ? dropoutIn(operand, this.args.dropoutRate, pass) : operand;
      const before = starts === null ? null : starts.shift()!;
      const result = cell.run(dropped as tf.Tensor3D, before, pass, wantsStates);
      if (wantsStates) states.push(result.states.map((all) => lastReal(all, lengths)));
      return result.outputs;
    };
    // What stands after a row's length never reaches a real step: it is cleared once, at the end.
    const all = this.#layers.reduce((input, { forward, backward, residual }, k) => {
      let output = run(forward, input, k === 0);
      if (backward !== null) {
        const reversed = run(backward, reverseSequence(input, lengths), k === 0);
        output = tf.concat([output, reverseSequence(reversed, lengths)], 2);
      }
      return residual === null ? output : (residual.combine([output, input], pass) as tf.Tensor3D);
    }, x);
    return { outputs: zeroPadding(all, lengths), states };
  }

  /**
   * Under the host: [batch, time, inputs] to [batch, time, …], or to [batch, …] of the last step; that
   * of the direction from the end is at the first time.
   */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const [x, ...others] = [inputs].flat() as [tf.Tensor3D, ...tf.Tensor[]];
    if (others.length > 0 || x.rank !== 3) {
      throw new ShapeError(
        `${this.name}: expected one input [batch, time, width], received ${others.length + 1} of ` +
          `rank ${x.rank}. Use run() for lengths and initial states.`,
      );
    }
    if ((kwargs as { mask?: unknown }).mask != null) {
      throw new ConfigError(
        `${this.name}: expected inputs without a mask, received one. Leave out maskZero and ` +
          `tf.layers.masking, or use run() with lengths.`,
      );
    }
    return this.inPass<tf.Tensor>(kwargs, (pass) => {
      const { outputs } = this.run(tf.transpose(x, [1, 0, 2]), pass);
      return this.args.returnSequences
        ? tf.transpose(outputs, [1, 0, 2])
        : this.#lastSteps(outputs);
    });
  }

  #lastSteps(outputs: tf.Tensor3D): tf.Tensor2D {
    const { units, bidirectional } = this.args;
    const [time, batch] = outputs.shape;
    const at = (step: number, begin: number): tf.Tensor2D =>
      tf.reshape(tf.slice(outputs, [step, 0, begin], [1, batch, units]), [batch, units]);
    const forward = at(time - 1, 0);
    return bidirectional ? tf.concat([forward, at(0, units)], 1) : forward;
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [batch, time] = firstShape(inputShape) as [number | null, number | null];
    const width = this.#outputWidth;
    return this.args.returnSequences ? [batch, time, width] : [batch, width];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args };
  }
}

/** Options of tf.layers' recurrent layers that would otherwise be passed over without a word. */
const REFUSED_OPTIONS: Readonly<Record<string, string>> = {
  goBackwards: "Use bidirectional: true, or reverse the inputs",
  returnState: "Use run() with wantsStates",
  stateful: "Use run() with start",
};

function refuseHostOptions(args: RecurrentStackArgs): void {
  for (const [option, remedy] of Object.entries(REFUSED_OPTIONS)) {
    const value = (args as unknown as Record<string, unknown>)[option];
    if (value === undefined || value === null || value === false) continue;
    throw new ConfigError(
      `${args.name ?? "recurrent layer"}: expected no ${option}, received true. ${remedy}.`,
    );
  }
}

/** A state after the last real step: rows [lengths − 1] of [time, batch, units]. */
function lastReal(all: tf.Tensor3D, lengths: tf.Tensor1D | null): tf.Tensor2D {
  const [time, batch, units] = all.shape;
  if (lengths === null) return tf.reshape(tf.slice(all, [time - 1], [1]), [batch, units]);
  // A product with ones and zeros: its gradient needs no scatter.
  const at = tf.expandDims(tf.range(0, time, 1, "int32"), 1);
  const isLast = tf.cast(tf.equal(at, tf.sub(lengths, tf.scalar(1, "int32"))), "float32");
  return tf.sum(tf.mul(all, tf.expandDims(isLast, 2)), 0);
}
