/** Adam over named variables, with state that is saved and restored by name. */
import * as tf from "@tensorflow/tfjs";
import { CheckpointError } from "../errors.ts";
import { adamUpdate } from "../ops/adam.ts";

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

interface Slots {
  m: tf.Tensor;
  v: tf.Tensor;
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
      this.#slots.set(name, { m: keptZeros(shape), v: keptZeros(shape) });
    }
  }

  /** Updates made. */
  get step(): number {
    return this.#step;
  }

  /**
   * One update of the variables that have a gradient; the others, and their slots, stay.
   * @param gradients by variable name; the caller disposes them
   * @param rateOf learning rate of a variable
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, rateOf: (name: string) => number): void {
    this.#step++;
    for (const [name, gradient] of gradients) {
      const variable = this.#variables.get(name)!;
      const slots = this.#slots.get(name)!;
      tf.tidy(() => {
        const { m, v } = slots;
        const rates = { ...this.#options, learningRate: rateOf(name), step: this.#step };
        const next = adamUpdate({ value: variable, gradient, m, v, ...rates });
        variable.assign(next.value);
        slots.m = tf.keep(next.m);
        slots.v = tf.keep(next.v);
        tf.dispose([m, v]);
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
    for (const [name, slots] of this.#slots) {
      const { shape } = slots.m;
      tf.dispose([slots.m, slots.v]);
      slots.m = tf.keep(tf.tensor(state.slots.get(`m/${name}`)!, shape, "float32"));
      slots.v = tf.keep(tf.tensor(state.slots.get(`v/${name}`)!, shape, "float32"));
    }
  }

  dispose(): void {
    for (const { m, v } of this.#slots.values()) tf.dispose([m, v]);
    this.#slots.clear();
  }
}

function keptZeros(shape: number[]): tf.Tensor {
  return tf.keep(tf.zeros(shape, "float32"));
}

function slotError(name: string, expected?: number, received?: number): CheckpointError {
  const count = (n: number | undefined): string => (n === undefined ? "none" : `${n} values`);
  return new CheckpointError(
    `optimizer slot ${name}: expected ${count(expected)}, received ${count(received)}. ` +
      "Resume with the model and the freeze_variables that the run was started with.",
  );
}
