/** First clips of quantized layers in a model of tf.layers. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { calibrateClips, type CalibrateClipsOptions } from "../quant/calibrate.ts";
import type { Pass } from "../quant/pass.ts";
import { QuantLayer } from "./quant-layer.ts";

/**
 * Sets every clip that the user has not given in the quantized layers of a model, models inside
 * included: a weight's from its values, an activation's from what the batches bring to it in float. Call
 * it before `model.fit`; the trainer of this package does so by itself.
 *
 * @param batches inputs of the model, some hundred examples together; they stay the caller's
 * @returns names of the clip variables that were set, `<layer>/<quantizer>_clip_max`
 * @throws {ConfigError} for a quantized cell in `tf.layers.rnn`, which keeps the pass from it;
 *   {@link TrainingError} if a value is not finite, or a quantizer sees none
 */
export function calibrateLayersModel(
  model: tf.LayersModel,
  batches: Iterable<tf.Tensor | tf.Tensor[]>,
  options: CalibrateClipsOptions = {},
): string[] {
  const layers = quantLayersOf(model).flatMap((layer) => layer.allLayers());
  const variables = new Map(layers.flatMap((layer) => [...layer.namedVariables()]));
  return calibrateClips({ variables, layers: () => layers }, passesOf(model, batches), options);
}

function* passesOf(
  model: tf.LayersModel,
  batches: Iterable<tf.Tensor | tf.Tensor[]>,
): Generator<(pass: Pass) => void> {
  for (const batch of batches) {
    yield (pass) => {
      model.call(batch, { pass });
    };
  }
}

function quantLayersOf(model: tf.LayersModel): QuantLayer[] {
  return (model.layers as unknown[]).flatMap((layer) => {
    if (layer instanceof QuantLayer) return [layer];
    if (layer instanceof tf.LayersModel) return quantLayersOf(layer);
    const { cell, name } = layer as { readonly cell?: unknown; readonly name: string };
    if (!(cell instanceof QuantLayer)) return [];
    throw new ConfigError(
      `calibrateLayersModel, "${name}": expected quantized layers, received tf.layers.rnn with a cell, ` +
        `which cannot be observed. Use QuantLSTM or QuantGRU, or give the cell's clips by quantConfig.`,
    );
  });
}
