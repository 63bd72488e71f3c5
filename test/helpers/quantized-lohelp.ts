/** The shipped model, quantized without training. */
import * as tf from "@tensorflow/tfjs";
import type { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import { ClipQuantizer } from "../../src/quant/quantizers.ts";
import { loadLohelp, makeBatch, readGolden } from "./lohelp.ts";

export const LOHELP_SPECIAL = { unk: 4136, bos: 4137, eos: 4138 };

/**
 * Weight clips are the largest weights, activation clips 8.
 * @param quantParams beside these
 */
export function loadQuantizedLohelp(quantParams: Record<string, unknown> = {}): Transformer {
  const model = loadLohelp(resolveQuantConfig({ quant_act_clip_max: 8, ...quantParams }));
  for (const layer of model.layers()) {
    for (const quantizer of layer.quantizers.values()) {
      if (!(quantizer instanceof ClipQuantizer) || quantizer.kind !== "weight") continue;
      const { path, axis } = quantizer;
      const clip = model.variables.get(`${path}_clip_max`)!;
      tf.tidy(() => {
        const weight = tf.abs(model.variables.get(path)!);
        const others = weight.shape.map((_, i) => i).filter((i) => i !== axis);
        clip.assign(tf.max(weight, axis === null ? undefined : others));
      });
    }
  }
  return model;
}

/** Sets activation clips to the largest absolute values over the golden sentences. */
export function calibrateActivations(model: Transformer): void {
  const { source_ids: sources, target_ids: targets } = readGolden();
  const batch = makeBatch(sources, targets);
  const largest = new Map<string, number>();
  const observe = (quantizer: string, x: tf.Tensor): void => {
    const most = tf.tidy(() => tf.max(tf.abs(x)).dataSync()[0]!);
    largest.set(quantizer, Math.max(most, largest.get(quantizer) ?? 0));
  };
  withPass({ observe, skipQuantization: true }, (pass) => {
    tf.tidy(() => {
      const source = tf.tensor2d(batch.source, [batch.size, batch.sourceTime], "int32");
      const input = tf.tensor2d(batch.targetInput, [batch.size, batch.targetTime], "int32");
      model.logits(source, tf.tensor1d(batch.sourceLengths, "int32"), input, pass);
    });
  });
  for (const [quantizer, most] of largest) {
    const clip = model.variables.get(`${quantizer}_clip_max`);
    tf.tidy(() => clip?.assign(tf.scalar(most)));
  }
}
