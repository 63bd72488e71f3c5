/** Recurrent layers with weights that are not near zero, and what they have inside. */
import * as tf from "@tensorflow/tfjs";
import type { RecurrentStack } from "../../src/layers/recurrent-stack.ts";
import type { QuantLayer } from "../../src/layers/quant-layer.ts";
import { calibrateClips, type CalibratedModel } from "../../src/quant/calibrate.ts";
import type { Pass } from "../../src/quant/pass.ts";

/** The layer, built for inputs of a width. */
export function built<L extends QuantLayer>(layer: L, inputs: number): L {
  layer.build([null, null, inputs]);
  return layer;
}

/** Paths of all quantizers and their bits, without the layer's own name. */
export function quantizersOf(layer: QuantLayer): Record<string, number> {
  const all = layer.allLayers().flatMap((inner) => [...inner.quantizers.values()]);
  const start = layer.name.length + 1;
  return Object.fromEntries(all.map(({ path, bits }) => [path.slice(start), bits]));
}

/** Variables by name without the layer's own. */
export function variablesOf(layer: QuantLayer): Map<string, tf.Variable> {
  const all = layer.allLayers().flatMap((inner) => [...inner.namedVariables()]);
  const start = layer.name.length + 1;
  return new Map(all.map(([name, variable]) => [name.slice(start), variable]));
}

/** Sets all clips by calibration on x, [time, batch, inputs]; returns their names. */
export function calibrate(layer: RecurrentStack, x: tf.Tensor3D): string[] {
  const model: CalibratedModel = {
    variables: new Map(layer.allLayers().flatMap((inner) => [...inner.namedVariables()])),
    layers: () => layer.allLayers(),
  };
  const forward = (pass: Pass): void => void layer.run(x, pass);
  return calibrateClips(model, [forward], { method: "max" });
}

/** The largest distance between elements of two tensors of one shape. */
export function distance(a: tf.Tensor, b: tf.Tensor): number {
  if (!tf.util.arraysEqual(a.shape, b.shape)) return Infinity;
  const [left, right] = [a.dataSync(), b.dataSync()];
  return Math.max(...left.map((v, i) => Math.abs(v - right[i]!)));
}
