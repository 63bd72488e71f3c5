/** The tensors of decoding states, which outlive the step that makes them. */
import * as tf from "@tensorflow/tfjs";
import type { DecodeState } from "./model.ts";

/** Keeps tensors beyond the caller's tidy, until they are disposed with their state. */
export function keepAll(tensors: readonly tf.Tensor[]): void {
  for (const tensor of tensors) tf.keep(tensor);
}

/** Frees the tensors of a state. */
export function disposeTensors(state: DecodeState): void {
  for (const tensors of Object.values(state.tensors)) tf.dispose([...tensors]);
}
