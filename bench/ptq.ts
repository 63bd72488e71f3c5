/**
 * Post-training quantization of the shipped GNMT: beam search by the float model, by quantized ones,
 * and while statistics are collected. All take turns in one process.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { selectBackend } from "../src/backends/select.ts";
import type { Seq2SeqModel } from "../src/models/model.ts";
import { createModelScorer } from "../src/models/scorer.ts";
import { collectStats } from "../src/ptq/collect-stats.ts";
import { quantizeModel } from "../src/ptq/quantize-model.ts";
import type { QuantParamsInput } from "../src/quant/config.ts";
import { loadModel } from "../src/recipe/load-model.ts";
import { resolveRecipe } from "../src/recipe/sources.ts";
import { translate } from "../src/recipe/translate.ts";
import { environmentOf, type Environment } from "./environment.ts";
import {
  DATA,
  GNMT_CONFIG,
  GNMT_PRETRAINED,
  PTQ_BATCH,
  PTQ_SENTENCES,
  PTQ_TURNS,
} from "./settings.ts";

/** Settings of the quantized models. */
const QUANTIZED: Readonly<Record<string, QuantParamsInput>> = {
  "by default": {},
  asymmetric: { quant_weight_mode: "asymmetric_signed", quant_act_mode: "asymmetric_signed" },
  "Distiller's placement, symmetric": { quant_compat: "distiller-2019" },
  "Distiller's placement, asymmetric": {
    quant_compat: "distiller-2019",
    quant_weight_mode: "asymmetric_signed",
    quant_act_mode: "asymmetric_signed",
  },
  "live ranges": { quant_dynamic: true, quant_act_clip: "none" },
};

/** One thing that is measured. */
export interface PtqSamples {
  readonly name: string;
  readonly milliseconds: readonly number[];
}

export interface PtqReport {
  readonly command: "ptq";
  readonly environment: Environment;
  readonly sentences: number;
  readonly batch: number;
  readonly samples: readonly PtqSamples[];
}

export async function measurePtq(note: (line: string) => void): Promise<PtqReport> {
  await selectBackend("wasm", { threads: 1 });
  const { model, task } = loadModel(GNMT_PRETRAINED);
  const { recipe } = resolveRecipe({ configPaths: [GNMT_CONFIG] });
  const lines = readFileSync(join(DATA, "dev.en"), "utf8").trimEnd().split("\n");
  const sources = Array.from({ length: PTQ_SENTENCES }, (_, i) =>
    task.source.encode(lines[Math.floor((i * lines.length) / PTQ_SENTENCES)]!),
  );
  const search = async (evaluated: Seq2SeqModel): Promise<void> => {
    const scorer = createModelScorer(evaluated);
    await translate(scorer, sources, {
      ...{ task, search: recipe.search_method, batchSentences: PTQ_BATCH, seed: 1 },
    });
    scorer.close();
  };
  const statistics = await collectStats(model, search);
  const runs: [name: string, run: () => Promise<unknown>][] = [
    ["float", () => search(model)],
    ["float, statistics collected", () => collectStats(model, search)],
    ...Object.entries(QUANTIZED).map(([name, quantParams]): [string, () => Promise<unknown>] => {
      const quantized = quantizeModel(model, { statistics, quantParams }).model;
      return [`quantized, ${name}`, () => search(quantized)];
    }),
  ];
  const samples = runs.map(([name]) => ({ name, milliseconds: [] as number[] }));
  // The first turn warms up.
  for (let turn = 0; turn <= PTQ_TURNS; turn++) {
    for (const [i, [name, run]] of runs.entries()) {
      const start = performance.now();
      await run();
      const milliseconds = performance.now() - start;
      if (turn === 0) continue;
      samples[i]!.milliseconds.push(milliseconds);
      note(`turn ${turn}/${PTQ_TURNS} ${name}: ${milliseconds.toFixed(0)} ms`);
    }
  }
  const sizes = { sentences: PTQ_SENTENCES, batch: PTQ_BATCH };
  return { command: "ptq", environment: environmentOf(), ...sizes, samples };
}
