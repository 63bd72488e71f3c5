/** A small GNMT with random weights and ranges that every part of takes part in. */
import { RandomStream } from "../../src/core/random.ts";
import { Gnmt } from "../../src/models/gnmt.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { fillVariable } from "./numeric.ts";
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
  for (const [name, variable] of model.variables) {
    if (name.endsWith("bias")) fillVariable(variable, () => 0.2 * random.normal());
    if (!name.endsWith("_clip_max")) continue;
    const isWeight = /(kernel|weights|linear_att)_clip_max$/.test(name);
    const [least, range] = isWeight ? [0.4, 0.3] : isSmall(name) ? [0.5, 0.4] : [1.5, 1];
    fillVariable(variable, () => least + range * random.uniform());
  }
}

/** Values of tanh and of hidden states lie within ±1. */
function isSmall(name: string): boolean {
  return /(tanh|eltwisemult_hidden\/output)_clip_max$/.test(name);
}
