/** Adam over named variables, with state that is saved and restored by name. */
import * as tf from "@tensorflow/tfjs";
import { CheckpointError } from "../errors.ts";
import { adamRate, adamUpdate } from "../ops/adam.ts";

/** Decay rates of Adam; NeurST's Transformer sets use 0.9, 0.98 and 1e-9. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** State of the optimizer, as it goes into a checkpoint. */
export interface OptimizerState {
  /** Updates made. */
  readonly step: number;
  /** `m/<variable>` and `v/<variable>`, float32 in the shape of the variable. */
  readonly slots: ReadonlyMap<string, Float32Array>;
}

/** Variables, so that a captured step keeps them where it runs. */
interface Slots {
  readonly m: tf.Variable;
  readonly v: tf.Variable;
}

/** Owns two slots for each variable; the variables themselves belong to the model. */
export class Adam {
  readonly #variables: ReadonlyMap<string, tf.Variable>;
  readonly #options: AdamOptions;
  readonly #slots = new Map<string, Slots>();
  #step = 0;

  /** @param variables what may be trained, by checkpoint name */
  constructor(variables: ReadonlyMap<string, tf.Variable>, options: AdamOptions) {
    this.#variables = variables;
    this.#options = options;
    for (const [name, { shape }] of variables) {
      this.#slots.set(name, { m: zeros(shape), v: zeros(shape) });
    }
  }

  /** Updates made. */
  get step(): number {
    return this.#step;
  }

  /** Counts one more update, the one that {@link apply} makes next. */
  beginStep(): void {
    this.#step++;
  }

  /** What the update begun makes of a learning rate; see {@link adamRate}. */
  correctedRate(learningRate: number): number {
    return adamRate(learningRate, this.#options, this.#step);
  }

  /**
   * The update begun: of the variables that have a gradient; the others, and their slots, stay.
   * @param gradients by variable name; the caller disposes them
   * @param rateOf corrected rate of a variable, a float32 scalar
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, rateOf: (name: string) => tf.Tensor): void {
    for (const [name, gradient] of gradients) {
      const variable = this.#variables.get(name)!;
      const { m, v } = this.#slots.get(name)!;
      tf.tidy(() => {
        const rates = { ...this.#options, rate: rateOf(name) };
        const next = adamUpdate({ value: variable, gradient, m, v, ...rates });
        variable.assign(next.value);
        m.assign(next.m);
        v.assign(next.v);
      });
    }
  }

  /** Copies of the slots, and the step. */
  async state(): Promise<OptimizerState> {
    const slots = new Map<string, Float32Array>();
    for (const [name, { m, v }] of this.#slots) {
      slots.set(`m/${name}`, Float32Array.from(await m.data()));
      slots.set(`v/${name}`, Float32Array.from(await v.data()));
    }
    return { step: this.#step, slots };
  }

  /**
   * Takes over a saved state.
   * @throws {CheckpointError} if a slot is missing, surplus or has another size; nothing is changed
   */
  restore(state: OptimizerState): void {
    const names = [...this.#slots.keys()].flatMap((name) => [`m/${name}`, `v/${name}`]);
    const surplus = [...state.slots.keys()].find((name) => !names.includes(name));
    for (const name of surplus === undefined ? names : [...names, surplus]) {
      const expected = this.#slots.get(name.slice(2))?.m.size;
      const received = state.slots.get(name)?.length;
      if (expected !== received) throw slotError(name, expected, received);
    }
    this.#step = state.step;
    for (const [name, { m, v }] of this.#slots) {
      tf.tidy(() => {
        m.assign(tf.tensor(state.slots.get(`m/${name}`)!, m.shape, "float32"));
        v.assign(tf.tensor(state.slots.get(`v/${name}`)!, v.shape, "float32"));
      });
    }
  }

  dispose(): void {
    for (const { m, v } of this.#slots.values()) tf.dispose([m, v]);
    this.#slots.clear();
  }
}

function zeros(shape: number[]): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zeros(shape, "float32"), false));
}

function slotError(name: string, expected?: number, received?: number): CheckpointError {
  const count = (n: number | undefined): string => (n === undefined ? "none" : `${n} values`);
  return new CheckpointError(
    `optimizer slot ${name}: expected ${count(expected)}, received ${count(received)}. ` +
      "Resume with the model and the freeze_variables that the run was started with.",
  );
}
