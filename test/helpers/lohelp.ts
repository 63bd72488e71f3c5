/** The shipped model and its golden values, for tests. */
import { readFileSync } from "node:fs";
import type * as tf from "@tensorflow/tfjs";
import type { Batch } from "../../src/data/batch.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { parseYaml } from "../../src/formats/yaml.ts";
import { assignWeights, type WeightArray } from "../../src/models/load-weights.ts";
import { Transformer } from "../../src/models/transformer.ts";
import type { QuantConfig } from "../../src/quant/config.ts";

const DIRECTORY = new URL("../../pretrained/transformer-lohelp/", import.meta.url);

/** What NeurST computes for one setting; see the model's README. */
export interface GoldenSection {
  readonly loss: number;
  readonly logits_row0: number[];
  readonly logits_sum_abs: number;
  readonly clip_value_and_gradient: Record<string, [number, number]>;
  readonly gradient_norms: Record<string, number>;
  readonly "beam4_lp0.6"?: { tokens: number[][]; scores: number[] };
  readonly greedy?: { tokens: number[][]; scores: number[] };
}

export interface Golden {
  readonly source_ids: number[][];
  readonly target_ids: number[][];
  readonly float: GoldenSection;
  readonly qat: GoldenSection;
  readonly "qat_tight_clips_0.1_2.0": GoldenSection;
}

export function readGolden(): Golden {
  return JSON.parse(readFileSync(new URL("golden-neurst.json", DIRECTORY), "utf8")) as Golden;
}

export function lohelpWeights(): Map<string, WeightArray> {
  const file = "model.safetensors";
  const { tensors } = readSafetensors(readFileSync(new URL(file, DIRECTORY)), file);
  return tensors as unknown as Map<string, WeightArray>;
}

export const LOHELP_VOCABULARY = 4139;

/** The shipped model with its weights. */
export function loadLohelp(quantConfig: QuantConfig | null = null): Transformer {
  const file = "model_configs.yml";
  const config = parseYaml(readFileSync(new URL(file, DIRECTORY), "utf8"), file) as {
    "model.params": unknown;
  };
  const model = new Transformer({
    params: config["model.params"],
    sourceVocabSize: LOHELP_VOCABULARY,
    targetVocabSize: LOHELP_VOCABULARY,
    quantConfig,
    seed: 1,
  });
  assignWeights(model, lohelpWeights(), "model.safetensors");
  return model;
}

/** Pads sentences of ids (EOS at their end) into a batch; BOS is the id before EOS. */
export function makeBatch(sources: number[][], targets: number[][]): Batch {
  const eos = sources[0]!.at(-1)!;
  const [size, sourceTime, targetTime] = [sources.length, longest(sources), longest(targets)];
  return {
    size,
    sourceTime,
    targetTime,
    source: padded(sources, sourceTime, eos),
    sourceLengths: Int32Array.from(sources, (ids) => ids.length),
    target: padded(targets, targetTime, eos),
    targetLengths: Int32Array.from(targets, (ids) => ids.length),
    targetInput: padded(
      targets.map((ids) => [eos - 1, ...ids.slice(0, -1)]),
      targetTime,
      eos,
    ),
    indices: Int32Array.from(sources, (_, i) => i),
  };
}

function longest(sentences: number[][]): number {
  return Math.max(...sentences.map((ids) => ids.length));
}

function padded(sentences: number[][], time: number, eos: number): Int32Array {
  return Int32Array.from(
    sentences.flatMap((ids) => [...ids, ...new Array<number>(time - ids.length).fill(eos)]),
  );
}

/** Number of elements over all variables. */
export function parameterCount(variables: ReadonlyMap<string, tf.Variable>): number {
  return [...variables.values()].reduce((sum, v) => sum + v.size, 0);
}
