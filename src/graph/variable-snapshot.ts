/** The values of all variables at one time, to go back to. */
import * as tf from "@tensorflow/tfjs";

export class VariableSnapshot {
  readonly #values: readonly (readonly [variable: tf.Variable, value: tf.Tensor])[];

  /** Shares the values, copies none. */
  constructor() {
    const variables = Object.values(tf.engine().registeredVariables);
    this.#values = variables.map((variable) => [variable, tf.keep(variable.clone())]);
  }

  /** Gives variables that have changed their values back, and frees the snapshot. */
  restore(): void {
    for (const [variable, value] of this.#values) {
      if (!variable.isDisposed && variable.dataId !== value.dataId) variable.assign(value);
    }
    this.dispose();
  }

  dispose(): void {
    for (const [, value] of this.#values) value.dispose();
  }
}
