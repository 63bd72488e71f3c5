/** The shipped model quantized by its largest weights and fixed activation ranges. */
import * as tf from "@tensorflow/tfjs";
import type { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { loadLohelp } from "./lohelp.ts";

export const LOHELP_SPECIAL = { unk: 4136, bos: 4137, eos: 4138 };

/** @param quantParams beside an activation clip of 8 */
export function loadQuantizedLohelp(quantParams: Record<string, unknown> = {}): Transformer {
  const model = loadLohelp(resolveQuantConfig({ quant_act_clip_max: 8, ...quantParams }));
  for (const layer of model.layers()) {
    for (const { kind, path } of layer.quantizers.values()) {
      if (kind !== "weight") continue;
      const clip = model.variables.get(`${path}_clip_max`)!;
      tf.tidy(() => {
        clip.assign(tf.max(tf.abs(model.variables.get(path)!)));
      });
    }
  }
  return model;
}
