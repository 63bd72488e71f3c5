/** The quantized weights of a model, as post-training methods change them. */
import * as tf from "@tensorflow/tfjs";
import type { Seq2SeqModel } from "../models/model.ts";
import { StaticQuantizer } from "../quant/quantizers.ts";

/** A weight with what rounds it. */
export interface RoundedWeight {
  /** Checkpoint name, such as `…/ffn/dense1/kernel`. */
  readonly name: string;
  readonly variable: tf.Variable;
  readonly quantizer: StaticQuantizer;
}

/** Every weight that is rounded to integer codes, by name, in the model's order. */
export function roundedWeights(model: Seq2SeqModel): ReadonlyMap<string, RoundedWeight> {
  const quantizers = model
    .layers()
    .flatMap((layer) => [...layer.quantizers.values()])
    .filter((quantizer) => quantizer instanceof StaticQuantizer)
    .filter(({ kind }) => kind === "weight");
  return new Map(
    quantizers.map((quantizer) => {
      const name = quantizer.path;
      return [name, { name, variable: model.variables.get(name)!, quantizer }];
    }),
  );
}

/** Path of the layer that a weight, a product or an activation belongs to. */
export function layerOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** The bias that is added to a weight's product: `<layer>/bias`, or null where there is none. */
export function biasOf(model: Seq2SeqModel, weight: string, outputs: number): tf.Variable | null {
  const bias = model.variables.get(`${layerOf(weight)}/bias`);
  return bias?.size === outputs ? bias : null;
}

/** Copies of all {@link roundedWeights}, by name; the caller disposes them. */
export function copyRoundedWeights(model: Seq2SeqModel): ReadonlyMap<string, tf.Tensor> {
  return new Map(
    [...roundedWeights(model)].map(([name, { variable }]) => [name, tf.clone(variable)]),
  );
}
