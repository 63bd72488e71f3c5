/** A small Transformer with random weights and ranges that every part of takes part in. */
import { RandomStream } from "../../src/core/random.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { fillVariable } from "./numeric.ts";

export const TINY_VOCABULARY = 37;
export const TINY_SPECIAL = { unk: 34, bos: 35, eos: 36 };

/** Two layers each side, four heads of three (so that the factor 3^−½ rounds), odd sizes elsewhere. */
const TINY_PARAMS = {
  "modality.dim": 12,
  "modality.timing": "sinusoids",
  "modality.share_source_target_embedding": true,
  "modality.share_embedding_and_softmax_weights": true,
  ...stack("encoder"),
  ...stack("decoder"),
};

function stack(name: string): Record<string, unknown> {
  return {
    [`${name}.num_layers`]: 2,
    [`${name}.hidden_size`]: 12,
    [`${name}.num_attention_heads`]: 4,
    [`${name}.filter_size`]: 21,
  };
}

/** @param quantParams null for a float model */
export function makeTinyTransformer(
  params: Record<string, unknown> = {},
  quantParams: Record<string, unknown> | null = {},
): Transformer {
  const model = new Transformer({
    params: { ...TINY_PARAMS, ...params },
    sourceVocabSize: TINY_VOCABULARY,
    targetVocabSize: TINY_VOCABULARY,
    quantConfig: quantParams === null ? null : resolveQuantConfig(quantParams),
    seed: 3,
  });
  randomize(model);
  return model;
}

/** Biases and norms away from their neutral start; clips so that some values saturate. */
function randomize(model: Transformer): void {
  const random = new RandomStream({ seed: 11, stream: 0 });
  for (const [name, variable] of model.variables) {
    if (name.endsWith("/bias") || name.endsWith("/beta")) {
      fillVariable(variable, () => 0.2 * random.normal());
    } else if (name.endsWith("/gamma")) {
      fillVariable(variable, () => 1 + 0.2 * random.normal());
    } else if (name.endsWith("_clip_max")) {
      const isWeight = /(kernel|weights)_clip_max$/.test(name);
      fillVariable(variable, () =>
        isWeight ? 0.15 + 0.25 * random.uniform() : 2 + random.uniform(),
      );
    }
  }
}

/** Sentences of ids that end with EOS. */
export function tinySentences(count: number, seed = 5): Int32Array[] {
  const random = new RandomStream({ seed, stream: 1 });
  return Array.from({ length: count }, (_, i) => {
    const length = 1 + (i % 9);
    return Int32Array.from({ length }, (_id, j) =>
      j === length - 1 ? TINY_SPECIAL.eos : random.integer(TINY_SPECIAL.unk),
    );
  });
}

/** BOS and the target without its last token. */
export function decoderInput(target: Int32Array, bos: number): Int32Array {
  return Int32Array.of(bos, ...target.subarray(0, -1));
}
