/** The shipped GNMT: its score, and what the recipe makes of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { corpusBleu } from "../../src/metrics/bleu.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import { loadModel } from "../../src/recipe/load-model.ts";
import { runRecipe } from "../../src/recipe/run.ts";
import { resolveRecipe } from "../../src/recipe/sources.ts";
import { translate } from "../../src/recipe/translate.ts";
import { checkParity } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import { countingReporter, ROOT, shippedLines } from "../helpers/shipped-text.ts";

const pretrained = join(ROOT, "pretrained/gnmt-lohelp");
const recipes = join(ROOT, "recipes/translation/gnmt");

/** BLEU of a whole set by the recipe's search and metric: beam 10, international, lower case. */
async function beamBleu(model: string, set: "dev" | "test"): Promise<number> {
  const loaded = loadModel(model);
  const scorer = createModelScorer(loaded.model);
  const sources = shippedLines(set, "en").map((line) => loaded.task.source.encode(line));
  const { recipe } = resolveRecipe({ configPaths: [`${recipes}/prediction_args.yml`] });
  const found = await translate(scorer, sources, {
    ...{ task: loaded.task, search: recipe.search_method, batchSentences: 32, seed: 1 },
  });
  scorer.close();
  loaded.model.dispose();
  const hypotheses = found.map((best) => best[0]!.text);
  const options = { lowercase: true, tokenize: "intl" } as const;
  return corpusBleu(hypotheses, [shippedLines(set, "de")], options).score;
}

describe("the shipped GNMT", () => {
  let folder = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shipped-gnmt-"));
    await selectBackend("wasm");
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("scores on test what its README says", async () => {
    expect(Math.abs((await beamBleu(pretrained, "test")) - 25.92)).toBeLessThan(0.1);
  });

  it("keeps 99 % of its dev BLEU as int8 by the recipe, in steps that leak nothing", async () => {
    const modelDir = join(folder, "qat");
    const steps: { tensors: number; buffers: number }[] = [];
    const reporter = countingReporter(steps);
    const { recipe } = resolveRecipe({
      configPaths: ["translation_bpe", "validation_args", "qat"].map((n) => `${recipes}/${n}.yml`),
      flags: {
        ...{ pretrain_model: pretrained, model_dir: modelDir, backend: "wasm" },
        ...{ train_steps: 30, eval_steps: 30 },
      },
    });
    const report = await runRecipe(recipe, { reporter, now: () => 0 });
    const { score } = report.json["best"] as { score: number };
    expect(steps).toHaveLength(30);
    expect(new Set(steps.slice(1).map(({ tensors }) => tensors)).size).toBe(1);
    expect(new Set(steps.slice(1).map(({ buffers }) => buffers)).size).toBe(1);
    // The float model has 33.75 by the recipe's search for candidates.
    expect(score).toBeGreaterThanOrEqual(0.99 * 33.75);
  });

  it("has every code of the integer executor on 50 sentences, and its translations", async () => {
    const { model, task } = loadModel(join(folder, "qat/best"));
    const { tensors, quantization } = exportInt8(model, { special: task.special });
    const reference = loadReference(tensors, quantization);
    const [source, target] = [shippedLines("test", "en"), shippedLines("test", "de")];
    const examples = Array.from({ length: 50 }, (_, i) => ({
      source: task.source.encode(source[14 * i]!),
      targetInput: Int32Array.of(
        task.special.bos,
        ...task.target.encode(target[14 * i]!).subarray(0, -1),
      ),
    }));
    const traced = traceModel(model);
    const report = await checkParity(traced, reference, examples);
    traced.dispose();
    expect(report.firstDifference).toBeNull();
    expect(report.different + report.differentLogits).toBe(0);
    expect(report.codes).toBeGreaterThan(5_000_000);

    const scorer = createModelScorer(model);
    const sources = examples.slice(0, 10).map((example) => example.source);
    const search = { special: task.special, beamSize: 3 };
    expect(gnmtBeamSearch(scorer, sources, search)).toEqual(
      gnmtBeamSearch(reference, sources, search),
    );
    scorer.close();
    model.dispose();
  });
});
