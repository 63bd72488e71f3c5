/** Five steps of quantization-aware training, large enough for some kernels to be divided. */
import { RandomStream } from "../../src/core/random.ts";
import { BatchStream } from "../../src/data/batch-stream.ts";
import { crc32c } from "../../src/formats/crc32c.ts";
import { hparamsSet } from "../../src/models/hparams.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep } from "../../src/train/train-step.ts";

const STEPS = 5;
const VOCABULARY = 500;
const IDS = { start: VOCABULARY - 2, eos: VOCABULARY - 1 };
const SIZING = { batchSize: 64, byTokens: false, maxSourceLength: 24, maxTargetLength: 24 };

export interface StepsRun {
  readonly losses: readonly number[];
  /** Of each variable after the last step, by name. */
  readonly checksums: Readonly<Record<string, number>>;
}

/** Trains on the present backend. */
export async function trainSteps(): Promise<StepsRun> {
  const quant = resolveQuantConfig({ quant_weight_clip_max: 1, quant_act_clip_max: 8 });
  const model = new Transformer({
    params: hparamsSet("transformer_64_1e_1d_4h_dp0.1")["model.params"],
    sourceVocabSize: VOCABULARY,
    targetVocabSize: VOCABULARY,
    quantConfig: quant,
    seed: 4,
  });
  const random = new RandomStream({ seed: 11, stream: 0 });
  const examples = Array.from({ length: 64 }, () => {
    const words = Array.from({ length: 8 + random.integer(15) }, () => random.integer(498));
    const source = Int32Array.from([...words, IDS.eos]);
    return { source, target: source.slice() };
  });
  const batches = new BatchStream(examples, { sizing: SIZING, ids: IDS, seed: 5 });
  const trained = model.variables;
  const optimizer = new Adam(trained, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
  const setup = {
    ...{
      model,
      quant,
      trained,
      optimizer,
      criterion: { per: "token" as const, labelSmoothing: 0.1 },
      clipNorm: 1,
      clipValue: null,
    },
  };
  const losses: number[] = [];
  const trainStep = new TrainStep(setup);
  const rates = { weights: 1e-3, clips: 1e-3 };
  for (let step = 0; step < STEPS; step++) {
    const dropout = new StepDropout(7, step);
    const { taskLoss } = await trainStep.run([batches.next()], dropout, rates);
    losses.push(taskLoss);
  }
  const checksums: Record<string, number> = {};
  for (const [name, variable] of trained) {
    checksums[name] = crc32c(new Uint8Array((await variable.data<"float32">()).buffer));
  }
  optimizer.dispose();
  model.dispose();
  return { losses, checksums };
}
