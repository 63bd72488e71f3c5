/**
 * The path of IntelLabs/distiller's GNMT notebook on a trained model and real text: statistics, post-training
 * quantization, and what clips do to attention and classifier. Statistics are of the dev text, BLEU of the
 * test text. `npx tsx examples/gnmt-notebook/main.ts [--limit SENTENCES]`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  collectStats,
  corpusBleu,
  createModelScorer,
  loadModel,
  parseOverrides,
  quantizeModel,
  resolveRecipe,
  selectBackend,
  type Seq2SeqModel,
  translate,
} from "tfjs-qat";
import { ROWS } from "./rows.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({ options: { limit: { type: "string" } } });
const limit = values.limit === undefined ? Infinity : Number(values.limit);
if (!(limit >= 1)) {
  console.error(`--limit: expected a number of sentences, received "${values.limit!}".`);
  process.exit(2);
}

const read = (name: string): string[] =>
  readFileSync(`${root}data/lohelp-en-de/${name}`, "utf8").trimEnd().split("\n");
const dev = read("dev.en");
const [test, references] = [read("test.en"), read("test.de").slice(0, limit)];

const { backend } = await selectBackend("wasm");
const { model, task } = loadModel(`${root}pretrained/gnmt-lohelp`);
// Beam of 10, length normalisation 0.6 and 5.0, coverage penalty 0.1, as in the notebook.
const { recipe } = resolveRecipe({
  configPaths: [`${root}recipes/translation/gnmt/prediction_args.yml`],
});

async function search(searched: Seq2SeqModel, lines: readonly string[]): Promise<string[]> {
  const scorer = createModelScorer(searched);
  const sources = lines.slice(0, limit).map((line) => task.source.encode(line));
  const settings = { search: recipe.search_method, batchSentences: 32, seed: 1 };
  const found = await translate(scorer, sources, { task, ...settings });
  scorer.close();
  return found.map(([best]) => best!.text);
}

interface Result {
  readonly bleu: number;
  readonly seconds: number;
}

async function evaluate(evaluated: Seq2SeqModel): Promise<Result> {
  const start = performance.now();
  const hypotheses = await search(evaluated, test);
  const seconds = (performance.now() - start) / 1000;
  const { score } = corpusBleu(hypotheses, [references], { tokenize: "intl", lowercase: true });
  return { bleu: score, seconds };
}

function print(name: string, { bleu, seconds }: Result, float: number): void {
  const change = bleu === float ? "" : (bleu - float).toFixed(2);
  const cells = [bleu.toFixed(2).padStart(6), change.padStart(7), seconds.toFixed(1).padStart(7)];
  console.log(`${name.padEnd(44)} ${cells.join(" ")}`);
}

console.log(`GNMT on ${backend}: ${references.length} test sentences, beam 10, BLEU -lc intl`);
if (references.length < test.length) {
  console.log(
    `PARTIAL: ${references.length} of ${test.length}; its BLEU is not that of the test set`,
  );
}
const start = performance.now();
const statistics = await collectStats(model, (watched) => search(watched, dev));
const seconds = (performance.now() - start) / 1000;
console.log(
  `statistics of ${statistics.size} operations on the dev text, ${seconds.toFixed(1)} s\n`,
);

console.log(`${"".padEnd(44)}   BLEU  change seconds`);
const float = await evaluate(model);
print("float", float, float.bleu);
for (const { name, quantParams, overrides } of ROWS) {
  const file = overrides === null ? null : parseOverrides(overrides, "the notebook's overrides");
  const quantized = quantizeModel(model, { statistics, quantParams, overrides: file }).model;
  print(name, await evaluate(quantized), float.bleu);
  quantized.dispose();
}
model.dispose();
