import { readFileSync } from "node:fs";
import { selectBackend } from "../src/backends/select.ts";
import { loadModel } from "../src/recipe/load-model.ts";
import { resolveRecipe } from "../src/recipe/sources.ts";
import { createModelScorer } from "../src/models/scorer.ts";
import { translate } from "../src/recipe/translate.ts";
import { scoreText } from "../src/recipe/score-text.ts";
import { collectStats } from "../src/ptq/collect-stats.ts";
import { quantizeModel } from "../src/ptq/quantize-model.ts";
export async function setup(name = "gnmt", limit = 200, set = "dev", every = true) {
  await selectBackend("wasm", { threads: 1 });
  const dir = `pretrained/${name}-lohelp`;
  const { model, task } = loadModel(dir);
  const { recipe } = resolveRecipe({ configPaths: [`recipes/translation/${name}/prediction_args.yml`] });
  const en = readFileSync(`data/lohelp-en-de/${set}.en`, "utf8").trimEnd().split("\n");
  const de = readFileSync(`data/lohelp-en-de/${set}.de`, "utf8").trimEnd().split("\n");
  const n = Math.min(limit, en.length);
  const pick = Array.from({ length: n }, (_, i) => Math.floor((i * en.length) / n));
  const sources = pick.map((i) => task.source.encode(en[i]!));
  const refs = pick.map((i) => de[i]!);
  const search = async (m: any) => {
    const scorer = createModelScorer(m);
    const found = await translate(scorer, sources, { task, search: recipe.search_method, batchSentences: 32, seed: 1 });
    scorer.close();
    return found.map((h) => h[0]!.text);
  };
  const bleu = async (m: any) => {
    const t = performance.now();
    const texts = await search(m);
    const s = scoreText(texts, refs, recipe.metric);
    return { score: s.score, seconds: (performance.now() - t) / 1000, texts };
  };
  return { model, task, recipe, search, bleu, sources, refs };
}
export { collectStats, quantizeModel };
