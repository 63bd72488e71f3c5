/**
 * Translates with GNMT, fine-tunes it with fake quantization gate by gate, and looks inside:
 * `npx tsx examples/gnmt/main.ts [steps]`.
 */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  createModelScorer,
  loadModel,
  resolveRecipe,
  runRecipe,
  type RunReporter,
  StaticQuantizer,
  translate,
} from "tfjs-qat";

const root = fileURLToPath(new URL("../../", import.meta.url));
const recipes = `${root}recipes/translation/gnmt`;
const float = `${root}pretrained/gnmt-lohelp`;
const modelDir = `${root}runs/gnmt-example`;
const steps = Number(process.argv[2] ?? 20);
const reporter: RunReporter = {
  note: (line) => {
    console.error(line);
  },
  progress: () => ({ update: () => undefined, end: () => undefined }),
};
const lines = [
  "Opens a dialog where you can edit the style.",
  "Select the style of the line end caps.",
];

/** Translates the lines by GNMT's own rules: length normalisation, coverage penalty. */
async function show(title: string, path: string): Promise<void> {
  const { model, task } = loadModel(path);
  const scorer = createModelScorer(model);
  const { recipe } = resolveRecipe({ configPaths: [`${recipes}/prediction_args.yml`] });
  const sources = lines.map((line) => task.source.encode(line));
  const found = await translate(scorer, sources, {
    ...{ task, search: recipe.search_method, batchSentences: 32, seed: 1 },
  });
  for (const [best] of found) console.log(`${title}  ${best!.text}`);
  scorer.close();
  model.dispose();
}

rmSync(modelDir, { recursive: true, force: true });
const { recipe } = resolveRecipe({
  configPaths: ["translation_bpe", "validation_args", "qat"].map(
    (name) => `${recipes}/${name}.yml`,
  ),
  flags: { pretrain_model: float, model_dir: modelDir, train_steps: steps, summary_steps: 5 },
});
const { signal } = new AbortController();
await runRecipe(recipe, { reporter, signal, now: () => performance.now() / 1000 });
await show("float", float);
await show("int8 ", `${modelDir}/best`);

const { model } = loadModel(`${modelDir}/best`);
console.log("\nranges of the attention's LSTM cell");
for (const layer of model.layers()) {
  if (!layer.name.includes("att_rnn/rnn/cells/0")) continue;
  for (const quantizer of layer.quantizers.values()) {
    // Ranges of live tensors are not known before.
    if (!(quantizer instanceof StaticQuantizer)) continue;
    const { min, max } = quantizer.range();
    const path = quantizer.path.replace(/^.*cells\/0\//, "");
    console.log(
      `${path.padEnd(26)} ${String(quantizer.bits).padStart(2)} bits  ${min[0]!.toFixed(3)} to ${max[0]!.toFixed(3)}`,
    );
  }
}
const cell = model.layers().find((layer) => layer.name.endsWith("att_rnn/rnn/cells/0/fc_gate_h"))!;
const { codes, shape } = cell.quantizedWeight("kernel");
console.log(
  `\nfc_gate_h/kernel [${shape.join(", ")}] begins with ${codes.subarray(0, 12).join(" ")}`,
);
model.dispose();
