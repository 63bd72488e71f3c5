/** The training runs whose steps are timed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RandomStream } from "../src/core/random.ts";
import type { Batch } from "../src/data/batch.ts";
import { BatchStream } from "../src/data/batch-stream.ts";
import type { Recipe } from "../src/recipe/schema.ts";
import { resolveRecipe } from "../src/recipe/sources.ts";
import { createTranslationTask, readPairs } from "../src/recipe/translation-task.ts";
import {
  BASE_SENTENCES,
  CORPUS_SEED,
  CORPUS_SENTENCES,
  GNMT_SENTENCES,
  GNMT_TOKENS,
  PRETRAINED,
  SENTENCE_TOKENS,
  SENTENCES,
  TRAINING_CONFIGS,
} from "./settings.ts";

/** Size of a Transformer; both sides share one table, which makes the logits too. */
export interface TransformerSize {
  readonly vocabulary: number;
  readonly width: number;
  readonly filter: number;
  readonly heads: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly dropout: number;
}

/** Size of a GNMT; both sides share one table, the softmax has a matrix of its own. */
export interface GnmtSize {
  readonly vocabulary: number;
  readonly width: number;
  /** LSTM layers of each side. */
  readonly layers: number;
  readonly dropout: number;
}

/** One model with its data and its training settings. */
export interface Workload<Size = TransformerSize> {
  readonly name: "reference" | "base" | "shipped" | "gnmt";
  readonly title: string;
  readonly size: Size;
  /** Sentence pairs of a batch; null where batches are made by tokens. */
  readonly sentences: number | null;
  /** Tokens of each side of a pair, EOS included; null for the shipped data. */
  readonly tokens: number | null;
  readonly labelSmoothing: number;
  readonly clipNorm: number | null;
}

/** A workload of whatever model. */
export type AnyWorkload = Workload<TransformerSize | GnmtSize>;

const COMMON = { width: 128, filter: 512, heads: 4 };

/** What Transformers of other sizes are compared with: a small one on sentences of one length. */
export const REFERENCE: Workload = {
  name: "reference",
  title: `reference model (width 128, 2+2 layers, vocabulary 4,000), ${SENTENCES} pairs of ${SENTENCE_TOKENS}+${SENTENCE_TOKENS} tokens`,
  size: { ...COMMON, vocabulary: 4000, encoderLayers: 2, decoderLayers: 2, dropout: 0 },
  ...{ sentences: SENTENCES, tokens: SENTENCE_TOKENS },
  labelSmoothing: 0.1,
  clipNorm: null,
};

/** NeurST's transformer_base, without dropout. */
export const BASE: Workload = {
  name: "base",
  title: `transformer_base (width 512, 6+6 layers, vocabulary 32,000), ${BASE_SENTENCES} pairs of ${SENTENCE_TOKENS}+${SENTENCE_TOKENS} tokens`,
  size: {
    ...{ vocabulary: 32_000, width: 512, filter: 2048, heads: 8 },
    ...{ encoderLayers: 6, decoderLayers: 6, dropout: 0 },
  },
  ...{ sentences: BASE_SENTENCES, tokens: SENTENCE_TOKENS },
  labelSmoothing: 0.1,
  clipNorm: null,
};

/** GNMT as its recipe trains it. */
export const GNMT: Workload<GnmtSize> = {
  name: "gnmt",
  title: `GNMT (width 160, 4+4 layers, vocabulary 4,139), ${GNMT_SENTENCES} pairs of ${GNMT_TOKENS}+${GNMT_TOKENS} tokens`,
  size: { vocabulary: 4139, width: 160, layers: 4, dropout: 0.2 },
  ...{ sentences: GNMT_SENTENCES, tokens: GNMT_TOKENS },
  labelSmoothing: 0.1,
  clipNorm: 5,
};

export const WORKLOADS: readonly Workload[] = [
  REFERENCE,
  {
    name: "shipped",
    title:
      "shipped model (width 128, 3+3 layers, vocabulary 4,139), shipped data, batches by tokens",
    size: { ...COMMON, vocabulary: 4139, encoderLayers: 3, decoderLayers: 3, dropout: 0.1 },
    ...{ sentences: null, tokens: null },
    labelSmoothing: 0.1,
    clipNorm: 1,
  },
];

const WITHOUT_DROPOUT = Object.fromEntries(
  ["encoder", "decoder"].flatMap((stack) =>
    ["attention", "ffn", "layer_postprocess"].map((site) => [`${stack}.${site}_dropout_rate`, 0]),
  ),
);

/** A batch as JSON: what programs that are not ours train on. */
export type PlainBatch = {
  readonly [K in keyof Omit<Batch, "indices">]: Batch[K] extends Int32Array ? number[] : number;
};

const FILES = { vocabulary: "vocab.txt", source: "train.src", target: "train.trg" };

/** Writes what a workload needs beyond the shipped files. */
export function prepareWorkload(workload: AnyWorkload, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const { tokens } = workload;
  if (tokens === null) return;
  // The three special tokens come on top of the file's.
  const words = Array.from({ length: workload.size.vocabulary - 3 }, (_, i) => `w${i}`);
  writeFileSync(join(directory, FILES.vocabulary), linesOf(words));
  for (const [stream, side] of (["source", "target"] as const).entries()) {
    const random = new RandomStream({ seed: CORPUS_SEED, stream });
    const sentences = Array.from({ length: CORPUS_SENTENCES }, () =>
      Array.from({ length: tokens - 1 }, () => words[random.integer(words.length)]!),
    );
    writeFileSync(join(directory, FILES[side]), linesOf(sentences.map((s) => s.join(" "))));
  }
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** What a run's recipe depends on besides its workload. */
export interface RunOf {
  readonly quantized: boolean;
  readonly modelDir: string;
  readonly steps: number;
}

/** The recipe of a run, as run_exp would resolve it; without validation, saved once at the end. */
export function recipeOf(workload: AnyWorkload, directory: string, run: RunOf): Recipe {
  const { quantized, modelDir, steps } = run;
  const flags = {
    backend: "wasm",
    model_dir: modelDir,
    enable_quant: quantized,
    train_steps: steps,
    save_checkpoint_steps: steps,
    summary_steps: steps,
  };
  const { recipe } =
    workload.name === "shipped"
      ? resolveRecipe({
          configPaths: TRAINING_CONFIGS,
          flags: { pretrain_model: PRETRAINED, ...flags },
        })
      : resolveRecipe({ flags: { ...syntheticFlags(workload, directory), ...flags } });
  return { ...recipe, validator: null };
}

function syntheticFlags(workload: AnyWorkload, directory: string): Record<string, unknown> {
  const pipeline = { vocab_path: join(directory, FILES.vocabulary) };
  const { sentences, tokens } = workload;
  return {
    ...modelFlags(workload),
    src_file: join(directory, FILES.source),
    trg_file: join(directory, FILES.target),
    "src_data_pipeline.class": "TextDataPipeline",
    "src_data_pipeline.params": pipeline,
    "trg_data_pipeline.class": "TextDataPipeline",
    "trg_data_pipeline.params": pipeline,
    batch_size: sentences,
    max_src_len: tokens,
    max_trg_len: tokens,
    label_smoothing: 0.1,
    "lr_schedule.class": "linear",
    "lr_schedule.params": { peak_lr: 1e-4, end_lr: 1e-4 },
  };
}

function modelFlags({ name, size }: AnyWorkload): Record<string, unknown> {
  if ("layers" in size) {
    const { width, layers, dropout } = size;
    return { hparams_set: `gnmt_${width}_${layers}l_dp${dropout.toFixed(2)}` };
  }
  const isBase = name === "base";
  return {
    hparams_set: isBase ? "transformer_base" : "transformer_128_2e_2d_4h_dp0.0",
    "model.params": {
      "modality.share_source_target_embedding": true,
      ...(isBase ? WITHOUT_DROPOUT : {}),
    },
  };
}

/** The first batches that a run of the workload trains on. */
export async function trainingBatches(
  workload: AnyWorkload,
  directory: string,
  count: number,
): Promise<PlainBatch[]> {
  const run = { quantized: false, modelDir: join(directory, "none"), steps: count };
  const recipe = recipeOf(workload, directory, run);
  const task = createTranslationTask(recipe);
  const { batch_size: batchSize, batch_by_tokens: byTokens } = recipe.task;
  const { max_src_len: maxSourceLength, max_trg_len: maxTargetLength } = recipe.task;
  const limits = { maxSourceLength: maxSourceLength!, maxTargetLength: maxTargetLength! };
  const truncation = { truncateSource: false, truncateTarget: false };
  const { examples } = await readPairs(task, recipe.dataset!, { ...limits, ...truncation });
  const stream = new BatchStream(examples, {
    sizing: { batchSize, byTokens, ...limits },
    ids: task.batchIds,
    seed: recipe.run.seed,
  });
  return Array.from({ length: count }, () => plainBatch(stream.next()));
}

/** A batch from its JSON. */
export function batchOf(plain: PlainBatch): Batch {
  return {
    ...plain,
    source: Int32Array.from(plain.source),
    sourceLengths: Int32Array.from(plain.sourceLengths),
    target: Int32Array.from(plain.target),
    targetLengths: Int32Array.from(plain.targetLengths),
    targetInput: Int32Array.from(plain.targetInput),
    indices: Int32Array.from({ length: plain.size }, (_, i) => i),
  };
}

function plainBatch(batch: Batch): PlainBatch {
  const { size, sourceTime, targetTime } = batch;
  return {
    ...{ size, sourceTime, targetTime },
    source: [...batch.source],
    sourceLengths: [...batch.sourceLengths],
    target: [...batch.target],
    targetLengths: [...batch.targetLengths],
    targetInput: [...batch.targetInput],
  };
}
