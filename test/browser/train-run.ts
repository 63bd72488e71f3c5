/**
 * Twenty steps of quantization-aware training of the shipped model that give the same numbers wherever
 * they run. Nothing here reaches Node's modules.
 */
import { crc32c } from "../../src/formats/crc32c.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { parseYaml } from "../../src/formats/yaml.ts";
import { selectBackend, type BackendReport } from "../../src/backends/select.ts";
import { BatchStream } from "../../src/data/batch-stream.ts";
import type { PairExample } from "../../src/data/parallel-text.ts";
import { assignWeights, type WeightArray } from "../../src/models/load-weights.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig, type QuantConfig } from "../../src/quant/config.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep } from "../../src/train/train-step.ts";

/** Gives a file of the shipped model: from the disk, or from a server. */
export type ReadModelFile = (name: string) => Promise<Uint8Array>;

/** What a run came to; plain values. */
export interface TrainRun {
  readonly report: BackendReport;
  /** Of each step. */
  readonly losses: readonly number[];
  readonly clipPenalties: readonly number[];
  readonly gradientNorms: readonly number[];
  /** Checksum of every variable after the last step, by name. */
  readonly checksums: Readonly<Record<string, number>>;
}

const STEPS = 20;
const SEED = 7;
const VOCABULARY = 4139;
const IDS = { start: VOCABULARY - 2, eos: VOCABULARY - 1 };
const SIZING = { batchSize: 8, byTokens: false, maxSourceLength: 48, maxTargetLength: 48 };
const RATES = { weights: 3e-4, clips: 1e-2 };

/** Trains on the wasm backend, with dropout and Adam. A page says before where the wasm files are. */
export async function trainRun(read: ReadModelFile): Promise<TrainRun> {
  const report = await selectBackend("wasm");
  const quant = resolveQuantConfig({ quant_weight_clip_max: 1, quant_act_clip_max: 16 });
  const model = await loadModel(read, quant);
  const batches = new BatchStream(await loadExamples(read), {
    sizing: SIZING,
    ids: IDS,
    seed: SEED,
  });
  const trained = model.variables;
  const optimizer = new Adam(trained, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
  const criterion = { per: "token", labelSmoothing: 0.1 } as const;
  const limits = { criterion, clipNorm: 1, clipValue: null };
  const setup = { model, quant, trained, optimizer, ...limits };
  const figures = [];
  const trainStep = new TrainStep(setup);
  for (let step = 0; step < STEPS; step++) {
    const dropout = new StepDropout(SEED, step);
    figures.push(await trainStep.run([batches.next()], dropout, RATES));
  }
  const checksums: Record<string, number> = {};
  for (const [name, variable] of trained) {
    checksums[name] = crc32c(new Uint8Array((await variable.data<"float32">()).buffer));
  }
  optimizer.dispose();
  model.dispose();
  return {
    report,
    losses: figures.map(({ taskLoss }) => taskLoss),
    clipPenalties: figures.map(({ clipPenalty }) => clipPenalty),
    gradientNorms: figures.map(({ gradientNorm }) => gradientNorm),
    checksums,
  };
}

async function loadModel(read: ReadModelFile, quantConfig: QuantConfig): Promise<Transformer> {
  const config = parseYaml(await readText(read, "model_configs.yml"), "model_configs.yml");
  const model = new Transformer({
    params: (config as { "model.params": unknown })["model.params"],
    sourceVocabSize: VOCABULARY,
    targetVocabSize: VOCABULARY,
    quantConfig,
    seed: SEED,
  });
  const file = "model.safetensors";
  const { tensors } = readSafetensors(await read(file), file);
  assignWeights(model, tensors as unknown as Map<string, WeightArray>, file);
  return model;
}

/** The sentence pairs of the golden values, as ids that end with EOS. */
async function loadExamples(read: ReadModelFile): Promise<PairExample[]> {
  const golden = JSON.parse(await readText(read, "golden-neurst.json")) as {
    source_ids: number[][];
    target_ids: number[][];
  };
  return golden.source_ids.map((source, i) => ({
    source: Int32Array.from(source),
    target: Int32Array.from(golden.target_ids[i]!),
  }));
}

async function readText(read: ReadModelFile, name: string): Promise<string> {
  return new TextDecoder().decode(await read(name));
}
