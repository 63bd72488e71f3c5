/** What the quickstart runs on. */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export const PRETRAINED = `${root}pretrained/transformer-lohelp`;
export const DATA = `${root}data/lohelp-en-de`;
export const OUTPUT = `${root}runs/quickstart`;

const RECIPES = `${root}recipes/translation/transformer`;
export const TRAINING_CONFIGS = [
  `${RECIPES}/translation_bpe.yml`,
  `${RECIPES}/validation_args.yml`,
  `${RECIPES}/qat.yml`,
];

/** Test sentences that are translated, spread evenly over the 700. */
export const TEST_SENTENCES = 200;
/** Dev sentences that choose the checkpoint: all. */
export const DEV_SENTENCES = 1220;
/** Test sentences whose integer codes are compared one by one. */
export const PARITY_SENTENCES = 50;
/** Fine-tuning steps, and how often the model is judged on the way. */
export const TRAIN_STEPS = 200;
export const EVAL_STEPS = 50;

export const BEAM_SEARCH = {
  class: "beam_search",
  beam_size: 4,
  length_penalty: 0.6,
  maximum_decode_length: 80,
  extra_decode_length: 30,
} as const;
