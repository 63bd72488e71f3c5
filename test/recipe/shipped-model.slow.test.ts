import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { loadModel } from "../../src/recipe/load-model.ts";
import { runRecipe } from "../../src/recipe/run.ts";
import { resolveRecipe } from "../../src/recipe/sources.ts";
import { corpusBleu } from "../../src/metrics/bleu.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { translate } from "../../src/recipe/translate.ts";
import { countingReporter, ROOT, shippedLines } from "../helpers/shipped-text.ts";

const pretrained = join(ROOT, "pretrained/transformer-lohelp");
const recipes = join(ROOT, "recipes/translation/transformer");

/** Greedy translations of a whole set, at most source length + 30 tokens, as the shipped ones. */
async function greedyBleu(model: string, set: "dev" | "test"): Promise<number> {
  const loaded = loadModel(model);
  const scorer = createModelScorer(loaded.model);
  const sources = shippedLines(set, "en").map((line) => loaded.task.source.encode(line));
  const found = await translate(scorer, sources, {
    task: loaded.task,
    search: {
      class: "greedy_search",
      maximum_decode_length: 200,
      minimum_decode_length: 0,
      extra_decode_length: 30,
      enable_unk: false,
    },
    batchSentences: 64,
    seed: 1,
  });
  scorer.close();
  loaded.model.dispose();
  const hypotheses = found.map((best) => best[0]!.text);
  return corpusBleu(hypotheses, [shippedLines(set, "de")]).score;
}

describe("the shipped model", () => {
  let folder = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shipped-model-"));
    await selectBackend("wasm");
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("scores on dev and test what its README says", async () => {
    expect(Math.abs((await greedyBleu(pretrained, "dev")) - 33.79)).toBeLessThan(0.1);
    expect(Math.abs((await greedyBleu(pretrained, "test")) - 25.39)).toBeLessThan(0.1);
  });

  it("keeps 99 % of its dev BLEU as int8 by the recipe, over 300 steps that leak nothing", async () => {
    const modelDir = join(folder, "qat");
    const steps: { tensors: number; buffers: number }[] = [];
    const reporter = countingReporter(steps);
    const { recipe } = resolveRecipe({
      configPaths: ["translation_bpe", "validation_args", "qat"].map((n) => `${recipes}/${n}.yml`),
      flags: {
        pretrain_model: pretrained,
        model_dir: modelDir,
        backend: "wasm",
        train_steps: 300,
        eval_steps: 150,
      },
    });
    const report = await runRecipe(recipe, { reporter, now: () => 0 });
    const { score } = report.json["best"] as { score: number };

    expect(steps).toHaveLength(300);
    expect(new Set(steps.slice(1).map(({ tensors }) => tensors)).size).toBe(1);
    expect(new Set(steps.slice(1).map(({ buffers }) => buffers)).size).toBe(1);
    expect(score).toBeGreaterThanOrEqual(0.99 * 33.79);
    expect(await greedyBleu(join(modelDir, "best"), "dev")).toBeCloseTo(score, 6);
  });
});
