/** How layers tell a pass' watcher of their operations. Nothing happens where nobody watches. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";

/**
 * Tells of an operation, before its result is quantized. Inputs of fewer axes than the result are
 * constants, all of which is real.
 * @param operation path of the layer, or of the layer and the operation's name in it
 */
export function reportOperation(
  operation: string,
  inputs: readonly tf.Tensor[],
  output: tf.Tensor,
  pass: Pass,
): void {
  const { onOperation } = pass;
  if (onOperation === undefined) return;
  const [full, constants] = [new Map<number, tf.Tensor>(), new Map<number, tf.Tensor>()];
  inputs.forEach((x, i) => (x.rank < output.rank ? constants : full).set(i, x));
  onOperation({ operation, inputs: full, output, positions: pass.positions ?? null });
  if (constants.size === 0) return;
  onOperation({ operation, inputs: constants, output: null, positions: null });
}

/** Tells of one input alone: of which other positions are real, or whose result is told elsewhere. */
export function reportInput(operation: string, number: number, x: tf.Tensor, pass: Pass): void {
  const positions = pass.positions ?? null;
  pass.onOperation?.({ operation, inputs: new Map([[number, x]]), output: null, positions });
}

/**
 * Tells of what a quantizer is given, by the rule of `statisticsOf`: `<operation>/input` is the
 * operation's first input, `<operation>/output` and every other path a result.
 */
export function reportQuantized(layer: string, name: string, x: tf.Tensor, pass: Pass): void {
  if (name === "input") reportInput(layer, 0, x, pass);
  else reportOperation(name === "output" ? layer : `${layer}/${name}`, [], x, pass);
}
