/** A small GNMT with random weights and ranges that every part of takes part in. */
import * as tf from "@tensorflow/tfjs";
import { RandomStream } from "../../src/core/random.ts";
import { Gnmt } from "../../src/models/gnmt.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { TINY_VOCABULARY } from "./tiny-transformer.ts";

/** @param quantParams null for a float model */
export function makeTinyGnmt(
  params: Record<string, unknown> = {},
  quantParams: Record<string, unknown> | null = {},
): Gnmt {
  const model = new Gnmt({
    params: { hidden_size: 12, num_layers: 3, init_weight: 0.6, ...params },
    sourceVocabSize: TINY_VOCABULARY,
    targetVocabSize: TINY_VOCABULARY,
    quantConfig: quantParams === null ? null : resolveQuantConfig(quantParams),
    seed: 3,
  });
  randomize(model);
  return model;
}

/** Biases away from zero; clips so that some values saturate. */
function randomize(model: Gnmt): void {
  const random = new RandomStream({ seed: 11, stream: 0 });
  const fill = (variable: tf.Variable, next: () => number): void => {
    const values = Float32Array.from({ length: variable.size }, next);
    tf.tidy(() => {
      variable.assign(tf.tensor(values, variable.shape));
    });
  };
  for (const [name, variable] of model.variables) {
    if (name.endsWith("bias")) fill(variable, () => 0.2 * random.normal());
    if (!name.endsWith("_clip_max")) continue;
    const isWeight = /(kernel|weights|linear_att)_clip_max$/.test(name);
    const [least, range] = isWeight ? [0.4, 0.3] : isSmall(name) ? [0.5, 0.4] : [1.5, 1];
    fill(variable, () => least + range * random.uniform());
  }
}

/** Values of tanh and of hidden states lie within ±1. */
function isSmall(name: string): boolean {
  return /(tanh|eltwisemult_hidden\/output)_clip_max$/.test(name);
}
