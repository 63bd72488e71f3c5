/** The steps of the quickstart, each with the public functions that any program would use. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  type BleuScore,
  checkParity,
  corpusBleu,
  createModelScorer,
  exportInt8,
  loadInt8,
  loadModel,
  type LoadedModel,
  loadReference,
  modelConfigFiles,
  packageVersion,
  type ParityReport,
  resolveRecipe,
  type RunReporter,
  runRecipe,
  saveInt8,
  traceModel,
  translate,
} from "tfjs-qat";
import {
  BEAM_SEARCH,
  DATA,
  EVAL_STEPS,
  OUTPUT,
  PARITY_SENTENCES,
  PRETRAINED,
  TEST_SENTENCES,
  TRAINING_CONFIGS,
} from "./settings.ts";

/** Sentences and their reference translations. */
export interface ParallelLines {
  readonly source: readonly string[];
  readonly target: readonly string[];
}

/** One line of the final table. */
export interface ScoredModel {
  readonly model: "float" | "ptq_int8" | "qat_int8";
  readonly bleu: BleuScore;
  readonly translations: readonly string[];
  readonly bytes: number;
  readonly millisecondsPerSentence: number;
  /** Fine-tuning steps; null for the float model. */
  readonly step: number | null;
}

/** Sentences spread evenly over a set; also written to the output folder, for use by hand. */
export function chooseLines(set: "dev" | "test", count: number): ParallelLines {
  const [source, target] = ["en", "de"].map((language) => {
    const lines = readFileSync(`${DATA}/${set}.${language}`, "utf8").trimEnd().split("\n");
    return Array.from({ length: count }, (_, i) => lines[Math.floor((i * lines.length) / count)]!);
  }) as [string[], string[]];
  mkdirSync(`${OUTPUT}/text`, { recursive: true });
  writeFileSync(`${OUTPUT}/text/${set}.en`, source.map((line) => `${line}\n`).join(""));
  writeFileSync(`${OUTPUT}/text/${set}.de`, target.map((line) => `${line}\n`).join(""));
  return { source, target };
}

/** Translates the test sentences by beam search and scores them. */
export async function scoreModel(
  name: ScoredModel["model"],
  loaded: LoadedModel,
  test: ParallelLines,
  reporter: RunReporter,
  step: number | null,
): Promise<ScoredModel> {
  const { model, task, bytes } = loaded;
  const sources = test.source.map((line) => task.source.encode(line));
  const scorer = createModelScorer(model);
  const start = performance.now();
  const found = await translate(scorer, sources, {
    task,
    search: { ...BEAM_SEARCH, top_k: 1, minimum_decode_length: 0, enable_unk: false },
    batchSentences: 32,
    seed: 1,
    progress: reporter.progress(`translate with ${name}`, "sentences"),
  });
  const milliseconds = performance.now() - start;
  scorer.close();
  const translations = found.map((best) => best[0]!.text);
  return {
    model: name,
    bleu: corpusBleu(translations, [test.target], { version: packageVersion() }),
    translations,
    bytes,
    millisecondsPerSentence: milliseconds / sources.length,
    step,
  };
}

/**
 * Runs the recipe `qat.yml` as `run_exp` does, for a number of steps. With 0 steps the model is only calibrated:
 * post-training quantization. The best checkpoint on dev, judged with integer products, is in
 * `best/`; the calibrated start is the first candidate.
 * @returns step of the best checkpoint
 */
export async function fineTune(
  modelDir: string,
  steps: number,
  reporter: RunReporter,
  signal: AbortSignal,
): Promise<number> {
  const { recipe } = resolveRecipe({
    configPaths: TRAINING_CONFIGS,
    flags: {
      pretrain_model: PRETRAINED,
      model_dir: modelDir,
      backend: "wasm",
      train_steps: steps,
      save_checkpoint_steps: EVAL_STEPS,
      eval_steps: EVAL_STEPS,
      eval_dataset: "ParallelTextDataset",
      "eval_dataset.params": {
        src_file: `${OUTPUT}/text/dev.en`,
        trg_file: `${OUTPUT}/text/dev.de`,
      },
    },
  });
  const now = (): number => performance.now() / 1000;
  const report = await runRecipe(recipe, { reporter, signal, now });
  signal.throwIfAborted();
  return (report.json["best"] as { step: number }).step;
}

/** Writes the int8 export of a directory's best checkpoint, then loads it back from disk. */
export function exportAndReload(modelDir: string, exportDir: string): LoadedModel {
  const { model, task, recipe } = loadModel(`${modelDir}/best`);
  saveInt8(
    exportDir,
    exportInt8(model, { special: task.special }),
    modelConfigFiles(recipe, model),
  );
  model.dispose();
  return loadModel(exportDir);
}

/**
 * Compares the model that TensorFlow.js runs with the integer reference executor, which reads the
 * export alone and uses no TensorFlow.js: every integer code of every activation, teacher-forced.
 */
export async function compareCodes(
  exportDir: string,
  loaded: LoadedModel,
  test: ParallelLines,
  reporter: RunReporter,
): Promise<ParityReport> {
  const { tensors, quantization } = loadInt8(exportDir);
  const reference = loadReference(tensors, quantization);
  const traced = traceModel(loaded.model);
  const { source, target, special } = loaded.task;
  const examples = Array.from({ length: PARITY_SENTENCES }, (_, i) => {
    const row = Math.floor((i * TEST_SENTENCES) / PARITY_SENTENCES);
    const ids = target.encode(test.target[row]!);
    return {
      source: source.encode(test.source[row]!),
      targetInput: Int32Array.of(special.bos, ...ids.subarray(0, -1)),
    };
  });
  const progress = reporter.progress("compare integer codes", "sentences");
  const report = await checkParity(reference, traced, examples, async (done, total) => {
    progress.update(done, total);
    await new Promise((resolve) => setTimeout(resolve, 0));
  });
  progress.end();
  traced.dispose();
  return report;
}
