/** Decodes and judges the shipped text with one form of the shipped model. */
import * as tf from "@tensorflow/tfjs";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluationBatches } from "../src/data/batch-stream.ts";
import { decodeCorpus } from "../src/decode/decode-corpus.ts";
import type { DecodeOptions } from "../src/decode/decode-options.ts";
import { batchTensors, sequenceLoss } from "../src/models/loss.ts";
import { createModelScorer } from "../src/models/scorer.ts";
import { withPass } from "../src/quant/pass.ts";
import { loadModel, type LoadedModel } from "../src/recipe/load-model.ts";
import type {
  DecodeFinish,
  DecodeJob,
  DecodeRequest,
  EvaluationTime,
  TokenTime,
} from "./decode-protocol.ts";
import { KernelSwitch } from "./kernel-switch.ts";
import { quantizeAfterTraining } from "./post-training.ts";
import { jobOf, memoryUse, serve } from "./serve.ts";
import {
  BEAM,
  BEAM_LIMITS,
  DATA,
  DECODE_BATCH,
  EVALUATION_BATCH,
  FORCED_SENTENCES,
  PRETRAINED,
} from "./settings.ts";

const { model: form, directory } = jobOf() as DecodeJob;
const kernelSwitch = await KernelSwitch.install();
const loaded: LoadedModel =
  form === "int8" ? await quantizeAfterTraining(directory) : loadModel(PRETRAINED);
if (form === "compositions") kernelSwitch.useStock();
const { model, task } = loaded;
const products = form === "int8" ? "codes" : "values";

function linesOf(file: string): string[] {
  return readFileSync(join(DATA, file), "utf8").trimEnd().split("\n");
}

const testSources = linesOf("test.en").map((line) => task.source.encode(line));

function spread<T>(items: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

async function decode(
  sources: readonly Int32Array[],
  limits: Partial<DecodeOptions>,
): Promise<TokenTime> {
  const options = { ...BEAM, ...limits, special: task.special, batchSentences: DECODE_BATCH };
  const scorer = createModelScorer(model, products);
  const start = performance.now();
  const results = await decodeCorpus(scorer, sources, options);
  const milliseconds = performance.now() - start;
  scorer.close();
  return { tokens: results.reduce((sum, [best]) => sum + best!.tokens.length, 0), milliseconds };
}

/** Outputs of `length` tokens, or one less where the end of sentence comes first. */
function decodeLength(length: number): Promise<TokenTime> {
  return decode(spread(testSources, FORCED_SENTENCES), {
    minimumDecodeLength: length - 1,
    maximumDecodeLength: length,
    extraDecodeLength: length,
  });
}

const devExamples = linesOf("dev.en").map((line, i) => ({ source: task.source.encode(line), i }));
const devTargets = linesOf("dev.de").map((line) => task.target.encode(line));
const devBatches = [
  ...evaluationBatches(
    devExamples.map(({ source, i }) => ({ source, target: devTargets[i]! })),
    EVALUATION_BATCH,
    task.batchIds,
  ),
];

/** Negative log-likelihood of the dev set, teacher-forced, in one pass. */
function evaluate(): EvaluationTime {
  const start = performance.now();
  let total = 0;
  let tokens = 0;
  withPass({ products }, (pass) => {
    for (const batch of devBatches) {
      const [nats, count] = tf.tidy(() => {
        const loss = sequenceLoss(
          model,
          batchTensors(batch),
          { per: "token", labelSmoothing: 0 },
          pass,
        );
        return [loss.total.dataSync()[0]!, loss.count.dataSync()[0]!] as const;
      });
      total += nats;
      tokens += count;
    }
  });
  return { tokens, milliseconds: performance.now() - start, nll: total / tokens };
}

type Answer = TokenTime | EvaluationTime | DecodeFinish;

await serve(async (line): Promise<Answer> => {
  const request = line as DecodeRequest;
  switch (request.command) {
    case "start":
      // Once for the compiler of the JavaScript engine: it must not count.
      return decode(spread(testSources, DECODE_BATCH), BEAM_LIMITS);
    case "translate":
      return decode(spread(testSources, request.sentences), BEAM_LIMITS);
    case "length":
      return decodeLength(request.length);
    case "evaluate":
      return evaluate();
    case "finish":
      return memoryUse();
  }
});
