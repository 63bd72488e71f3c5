/** Batches of the tiny models, as calibration runs them. */
import { makeBatch } from "../../src/data/make-batch.ts";
import { batchTensors } from "../../src/models/loss.ts";
import type { QuantLayer } from "../../src/layers/quant-layer.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

/** Teacher-forced passes over batches of nine sentences. */
export function tinyPasses(model: Seq2SeqModel, batches = 2): ((pass: Pass) => void)[] {
  return Array.from({ length: batches }, (_, i) => {
    const sources = tinySentences(9, 20 + i);
    const targets = tinySentences(9, 40 + i);
    const examples = sources.map((source, at) => ({ source, target: targets[at]! }));
    const ids = { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos };
    const batch = makeBatch(examples, Int32Array.from(examples.keys()), ids);
    return (pass: Pass): void => {
      const { source, sourceLengths, targetInput, targetLengths } = batchTensors(batch);
      model.logits(source, sourceLengths, targetInput, { ...pass, targetLengths });
    };
  });
}

/** A built layer as post-training methods see a model. */
export function modelOf(layer: QuantLayer): Seq2SeqModel {
  const layers = layer.allLayers();
  const variables = new Map(layers.flatMap((inner) => [...inner.namedVariables()]));
  return { variables, layers: () => layers } as unknown as Seq2SeqModel;
}
