import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, UnknownNameError } from "../../src/errors.ts";
import { createModel } from "../../src/models/catalogue.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { recipeEntries, recipeText } from "../../src/recipe/print-config.ts";
import { runFlags } from "../../src/recipe/run-flags.ts";
import { resolveRecipe } from "../../src/recipe/sources.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "recipe-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function modelDirectory(name: string, text: string): string {
  mkdirSync(join(directory, name));
  file(join(name, "model_configs.yml"), text);
  return join(directory, name);
}

describe("spellings", () => {
  const spellings: [string, string][] = [
    [
      "nested",
      "entry.class: train\nentry.params:\n  train_steps: 7\n  criterion.class: cross_entropy\n  criterion.params: {label_smoothing: 0.2}\n",
    ],
    [
      "deeply nested",
      "entry:\n  class: trainer\n  params: {train_steps: 7, criterion: {class: LabelSmoothedCrossEntropy, params: {label_smoothing: 0.2}}}\n",
    ],
    ["flat", "entry: trainer\ntrain_steps: 7\nlabel_smoothing: 0.2\n"],
    ["dotted", "entry.train_steps: 7\ncriterion.label_smoothing: 0.2\n"],
  ];
  it.each(spellings)("accepts the %s spelling", (_, text) => {
    const { recipe } = resolveRecipe({ configPaths: [file("a.yml", text)] });
    expect(recipe.entry).toMatchObject({
      class: "train",
      train_steps: 7,
      save_checkpoint_steps: 1000,
    });
    expect(recipe.criterion.label_smoothing).toBe(0.2);
  });

  it("takes the seed's save_checkpoints_steps for save_checkpoint_steps", () => {
    const { recipe } = resolveRecipe({ flags: { save_checkpoints_steps: 25 } });
    expect(recipe.entry).toMatchObject({ save_checkpoint_steps: 25 });
  });

  it("takes NeurST's lr for peak_lr, also as a flag", () => {
    const text = "lr_schedule: inverse_sqrt\nlr_schedule.params: {lr: 0.25}\n";
    const a = file("a.yml", text);
    expect(resolveRecipe({ configPaths: [a] }).recipe.lr_schedule).toMatchObject({ peak_lr: 0.25 });
    const b = file("b.yml", "lr_schedule.params: {lr: 0.25, peak_lr: 0.5}\n");
    expect(() => resolveRecipe({ configPaths: [a, b] })).toThrow(/one value for peak_lr/);
    expect(Object.keys(runFlags())).toEqual(expect.arrayContaining(["lr", "lr_schedule.lr"]));
  });

  it("accepts dotted and nested model parameters", () => {
    const a = file("a.yml", "model.params: {modality.share_source_target_embedding: true}\n");
    const b = file("b.yml", "encoder: {num_layers: 2}\n");
    const { recipe } = resolveRecipe({ configPaths: [a, b], flags: { "decoder.num_layers": 1 } });
    expect(recipe.model).toEqual({
      class: "Transformer",
      "modality.share_source_target_embedding": true,
      "encoder.num_layers": 2,
      "decoder.num_layers": 1,
    });
  });

  it("keeps the validator's data set apart from the training data", () => {
    const text =
      "dataset: ParallelTextDataset\ndataset.params: {src_file: t.en, trg_file: t.de}\n" +
      "validator.class: SeqGenerationValidator\nvalidator.params:\n" +
      "  eval_dataset: ParallelTextDataset\n  eval_dataset.params: {src_file: d.en, trg_file: d.de}\n";
    const { recipe } = resolveRecipe({ configPaths: [file("a.yml", text)] });
    expect(recipe.dataset?.src_file).toBe(join(directory, "t.en"));
    expect(recipe.eval_dataset?.src_file).toBe(join(directory, "d.en"));
    expect(recipe.validator?.class).toBe("SeqGenerationValidator");
  });

  it("leaves a section out that nothing mentions", () => {
    const { recipe } = resolveRecipe({});
    expect(recipe.validator).toBeNull();
    expect(recipe.dataset).toBeNull();
    expect(recipe.model).toBeNull();
  });
});

describe("precedence", () => {
  it("is defaults, model_configs.yml, hparams_set, files left to right, flags", () => {
    const model = modelDirectory(
      "m",
      "model.class: Transformer\nmodel.params: {encoder.num_layers: 3, decoder.ffn_dropout_rate: 0.4, encoder.ffn_dropout_rate: 0.4}\nenable_quant: true\n",
    );
    const a = file("a.yml", "train_steps: 1\nsummary_steps: 1\nseed: 1\n");
    const b = file("b.yml", "train_steps: 2\nsummary_steps: 2\nencoder.ffn_dropout_rate: 0.3\n");
    const { recipe, origins } = resolveRecipe({
      configPaths: [a, b],
      flags: { train_steps: 3, model_dir: model, hparams_set: "transformer_128_3e_3d_4h" },
    });
    expect(recipe.entry).toMatchObject({ train_steps: 3, summary_steps: 2, update_cycle: 1 });
    expect(recipe.run.enable_quant).toBe(true);
    expect(recipe.model).toMatchObject({
      "encoder.num_layers": 3,
      "encoder.ffn_dropout_rate": 0.3,
      "decoder.ffn_dropout_rate": 0.1,
    });
    expect(origins.get("entry.train_steps")).toBe("flags");
    expect(origins.get("entry.summary_steps")).toBe(b);
    expect(origins.get("seed")).toBe(a);
    expect(origins.get("entry.update_cycle")).toBe("default");
    expect(origins.get("enable_quant")).toBe(join(model, "model_configs.yml"));
    expect(origins.get("model.decoder.ffn_dropout_rate")).toBe(
      "hparams_set transformer_128_3e_3d_4h",
    );
    expect(origins.get("lr_schedule.dmodel")).toBe("hparams_set transformer_128_3e_3d_4h");
  });

  it("merges quant_params key by key", () => {
    const a = file(
      "a.yml",
      "enable_quant: true\nquant_params: {quant_bits: 4, quant_per_channel: true}\n",
    );
    const resolved = resolveRecipe({
      configPaths: [a],
      flags: { quant_params: { quant_bits: 6 } },
    });
    expect(resolved.recipe.run.quant_params).toMatchObject({
      quant_bits: 6,
      quant_per_channel: true,
    });
    expect(recipeEntries(resolved)["quant_params.quant_bits"]).toEqual({
      value: 6,
      origin: "flags",
    });
    expect(recipeEntries(resolved)["quant_params.quant_per_channel"]?.origin).toBe(a);
    expect(recipeEntries(resolved)["quant_params.quant_strategy"]).toEqual({
      value: "min/max",
      origin: "default",
    });
    expect(recipeText(resolved)).toContain("quant_params.quant_bits: 6");
  });

  it("drops parameters of a class that a stronger source replaces", () => {
    const { recipe } = resolveRecipe({
      flags: {
        hparams_set: "transformer_base",
        lr_schedule: "linear",
        "lr_schedule.params": { peak_lr: 0.1 },
      },
    });
    expect(recipe.lr_schedule).toEqual({
      class: "linear",
      peak_lr: 0.1,
      end_lr: 0,
      warmup_steps: 0,
    });
  });

  it("checks a key by the class that is chosen", () => {
    const { recipe } = resolveRecipe({ flags: { search_method: "top_sampling", top_k: 0 } });
    expect(recipe.search_method).toMatchObject({ class: "top_sampling", top_k: 0, sample_num: 1 });
    expect(() => resolveRecipe({ flags: { top_k: 0 } })).toThrow(
      /--top_k: expected a whole number of at least 1/,
    );
  });

  it("refuses a parameter of another class", () => {
    expect(() => resolveRecipe({ flags: { lr_schedule: "noam", peak_lr: 0.1 } })).toThrow(
      UnknownNameError,
    );
  });

  it("takes nothing from null", () => {
    const a = file("a.yml", "train_steps: 5\n");
    const b = file("b.yml", "train_steps: null\nquant_params: {quant_bits: null}\n");
    expect(resolveRecipe({ configPaths: [a, b] }).recipe.entry).toMatchObject({ train_steps: 5 });
  });

  it("resolves paths of a file against the file, those of flags against the working directory", () => {
    mkdirSync(join(directory, "sub"));
    const a = file("sub/a.yml", "src_file: x.en\ntrg_file: ../x.de\n");
    const { recipe } = resolveRecipe({ configPaths: [a], flags: { raw_trg_file: "raw.de" } });
    expect(recipe.dataset).toMatchObject({
      src_file: join(directory, "sub", "x.en"),
      trg_file: join(directory, "x.de"),
      raw_trg_file: join(process.cwd(), "raw.de"),
    });
  });
});

describe("existing models", () => {
  const stored =
    "model.class: Transformer\nmodel.params: {encoder.num_layers: 3, encoder.ffn_dropout_rate: 0.1}\nenable_quant: true\n";

  it("refuses an hparams set that disagrees, naming the key", () => {
    const model = modelDirectory("m", stored);
    expect(() =>
      resolveRecipe({ flags: { model_dir: model, hparams_set: "transformer_base" } }),
    ).toThrow(
      new ConfigError(
        "hparams_set transformer_base: model.params.encoder.num_layers: expected 3 for " +
          `"encoder.num_layers" as in ${join(model, "model_configs.yml")}, received 6. Ask for the ` +
          "architecture of the existing model, or use another model directory.",
      ),
    );
  });

  it("lets files correct the hparams set before they are compared", () => {
    const model = modelDirectory("m", stored);
    const a = file("a.yml", "encoder.num_layers: 3\nencoder.ffn_dropout_rate: 0.3\n");
    const flags = { model_dir: model, hparams_set: "transformer_base" };
    expect(resolveRecipe({ configPaths: [a], flags }).recipe.model).toMatchObject({
      "encoder.num_layers": 3,
    });
  });

  it("refuses a pretrained model of another architecture", () => {
    const model = modelDirectory("m", stored);
    const flags = { pretrain_model: model, "encoder.num_layers": 4 };
    expect(() => resolveRecipe({ flags })).toThrow(
      /^--encoder.num_layers: expected 3 .* received 4/,
    );
  });

  it("takes the architecture of the pretrained model, but not its quantization", () => {
    const { recipe } = resolveRecipe({ flags: { pretrain_model: modelDirectory("m", stored) } });
    expect(recipe.model).toMatchObject({ "encoder.num_layers": 3 });
    expect(recipe.run.enable_quant).toBe(false);
  });

  it("loads NeurST's own model_configs.yml", () => {
    const pretrained = "pretrained/transformer-lohelp";
    const { recipe } = resolveRecipe({ flags: { model_dir: pretrained } });
    expect(recipe.src_data_pipeline).toMatchObject({
      language: "en",
      tokenizer: "moses",
      subtokenizer_codes: join(process.cwd(), pretrained, "codes.bpe"),
    });
    expect(recipe.model).toMatchObject({ "modality.share_source_target_embedding": true });
  });
});

describe("eval_on_begin", () => {
  const key = "validator.eval_on_begin";
  const valued = (flags: Record<string, unknown>): unknown[] => {
    const resolved = resolveRecipe({ flags: { validator: "CriterionValidator", ...flags } });
    const { value, origin } = recipeEntries(resolved)[key]!;
    expect(resolved.recipe.validator?.eval_on_begin).toBe(value);
    return [value, origin];
  };

  it("is on by default in a quantized run, which is then never worse than where it started", () => {
    expect(valued({})).toEqual([false, "default"]);
    expect(valued({ enable_quant: true })).toEqual([true, "default with enable_quant"]);
    const flags = { validator: "CriterionValidator", enable_quant: true };
    expect(recipeText(resolveRecipe({ flags }))).toMatch(
      /eval_on_begin: true +# default with enable_quant/,
    );
  });

  it("is what the user says", () => {
    expect(valued({ enable_quant: true, eval_on_begin: false })).toEqual([false, "flags"]);
    expect(valued({ eval_on_begin: true })).toEqual([true, "flags"]);
    expect(resolveRecipe({ flags: { enable_quant: true } }).recipe.validator).toBeNull();
  });
});

describe("names that every object has", () => {
  const flags = ["hparams_set", "optimizer", "lr_schedule", "model", "entry", "eval_metric"];
  it.each(["constructor", "__proto__", "toString", "hasOwnProperty"])("%s is unknown", (name) => {
    for (const flag of flags) {
      expect(() => resolveRecipe({ flags: { [flag]: name } }), flag).toThrow(UnknownNameError);
    }
    expect(() => createModel(name, {} as never)).toThrow(UnknownNameError);
    expect(() => resolveQuantConfig(Object.fromEntries([[name, 1]]))).toThrow(UnknownNameError);
  });
});

describe("messages", () => {
  const cases: [string, string, RegExp][] = [
    [
      "an unknown key",
      "trian_steps: 3\n",
      /a\.yml: trian_steps: .*received "trian_steps"\. Did you mean "train_steps"\?/,
    ],
    [
      "an unknown nested key",
      "entry.params: {sumary_steps: 3}\n",
      /a\.yml: entry\.params\.sumary_steps.*Did you mean "summary_steps"/,
    ],
    [
      "an unknown class",
      "optimizer: adamm\n",
      /a\.yml: optimizer: expected one of "adam", received "adamm"/,
    ],
    [
      "a wrong type",
      "train_steps: many\n",
      /a\.yml: train_steps: expected a whole number of at least 0, received "many"/,
    ],
    [
      "a value out of range",
      "criterion.params: {label_smoothing: 1.5}\n",
      /label_smoothing: expected a number of at least 0 and below 1, received 1.5/,
    ],
    [
      "a bad quant_params key",
      "quant_params: {quant_bit: 8}\n",
      /quant_params: expected.*received "quant_bit"\. Did you mean "quant_bits"/,
    ],
    [
      "a bad quant_params value",
      "quant_params: {quant_bits: 9}\n",
      /quant_params\.quant_bits: expected a whole number from 2 to 8, received 9/,
    ],
    [
      "a bad override",
      "quant_params: {overrides: [{mach: x}]}\n",
      /quant_params\.overrides\.0: expected.*received "mach"\. Did you mean "match"/,
    ],
    [
      "two spellings that disagree",
      "train_steps: 3\nentry.params: {train_steps: 4}\n",
      /expected one value for train_steps, received 3 .* and 4/,
    ],
    [
      "a missing path",
      "dataset.params: {trg_file: x}\n",
      /dataset\.src_file: expected a path, received nothing/,
    ],
    ["no mapping", "- a\n- b\n", /a\.yml: expected keys and values/],
    [
      "a pretrained model with NeurST's other settings",
      "pretrain_model: {path: runs/float, from_prefix: x}\n",
      /pretrain_model: expected a path, received \{"path".*\. Write the path alone; pretrain_variable_pattern chooses/,
    ],
    [
      "a refused key",
      "train_epochs: 3\n",
      /a\.yml: train_epochs: expected no "train_epochs", received 3\. Training is counted in optimizer steps: set train_steps\./,
    ],
    [
      "a refused key inside its section",
      "entry.params: {pruning_schedule: {class: x}}\n",
      /entry\.params\.pruning_schedule: expected no .*Weights are not pruned here: leave it out\./,
    ],
  ];
  it.each(cases)("names %s", (_, text, message) => {
    expect(() => resolveRecipe({ configPaths: [file("a.yml", text)] })).toThrow(message);
  });

  it("reports NeurST's keys without effect, one line each", () => {
    const a = file("a.yml", "dtype: float16\nn_gpus: 2\ntask.params: {shuffle_buffer: 100}\n");
    expect(resolveRecipe({ configPaths: [a] }).notes).toEqual([
      `${a}: dtype has no effect here: everything is computed in float32.`,
      `${a}: n_gpus has no effect here: training runs on one device.`,
      `${a}: task.params.shuffle_buffer has no effect here: training data are shuffled as a whole, from the seed.`,
    ]);
  });

  it("takes null for a refused key as nothing", () => {
    const a = file("a.yml", "train_epochs: null\nentry.params: {pruning_schedule: null}\n");
    expect(resolveRecipe({ configPaths: [a] }).notes).toEqual([]);
  });

  it("names the missing file", () => {
    expect(() => resolveRecipe({ configPaths: [join(directory, "no.yml")] })).toThrow(
      /no\.yml: expected a configuration file, received no such file\. Check --config_paths\./,
    );
  });

  const hostile: [string, string][] = [
    ["repeated keys", "train_steps: 1\ntrain_steps: 2\n"],
    ["__proto__", "__proto__: {train_steps: 2}\n"],
    ["a constructor", "constructor: {name: 2}\n"],
    ["broken syntax", "a: [1, 2\n"],
    ["a tag", "a: !!js/function 'x'\n"],
    [
      "alias bombs",
      `a: &a [1,1,1,1,1,1,1,1,1,1]\n${["b", "c", "d", "e", "f", "g"].map((k, i) => `${k}: &${k} [${Array(10).fill(`*${"abcdef"[i]!}`).join(",")}]`).join("\n")}\n`,
    ],
  ];
  it.each(hostile)("refuses %s as a wrong configuration", (_, text) => {
    expect(() => resolveRecipe({ configPaths: [file("a.yml", text)] })).toThrow(ConfigError);
  });
});
