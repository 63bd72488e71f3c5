/** What is measured, and how often. */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

export const PRETRAINED = `${root}pretrained/transformer-lohelp`;
export const DATA = `${root}data/lohelp-en-de`;
const RECIPES = `${root}recipes/translation/transformer`;
/** What the shipped model is fine-tuned with. */
export const TRAINING_CONFIGS = [`${RECIPES}/translation_bpe.yml`, `${RECIPES}/qat.yml`];

/** Sentence pairs of a step of the reference model, and tokens of each side, EOS included. */
export const SENTENCES = 32;
export const SENTENCE_TOKENS = 32;
/** Sentence pairs of a step of transformer_base, as long as those. */
export const BASE_SENTENCES = 64;
/** Sentence pairs of a step of GNMT, and tokens of each side. */
export const GNMT_SENTENCES = 64;
export const GNMT_TOKENS = 24;
/** Sentence pairs of a corpus: enough that no turn begins a second epoch. */
export const CORPUS_SENTENCES = 512;
export const CORPUS_SEED = 7;

/** Turns of each variant; they alternate. The first step of a turn is not counted. */
export const STEP_TURNS = 5;
export const TURN_STEPS = 6;
/** For variants whose steps take seconds. */
export const SLOW_TURN_STEPS = 3;

/** Threads of every program that the native benchmark compares. */
export const NATIVE_THREADS = 2;

/** Interleaved rounds of the kernel comparison, and the time that one sample should take. */
export const KERNEL_ROUNDS = 15;
export const SAMPLE_MILLISECONDS = 8;

/** The LSTM layer of the recurrent benchmark, its batches, and how often each form takes its turn. */
export const RECURRENT_SIZE = { units: 256, inputs: 256, time: 32 } as const;
export const RECURRENT_BATCHES = [16, 64] as const;
export const RECURRENT_TURNS = 15;

/** Turns of each decoding variant. */
export const DECODE_TURNS = 3;
/** Test sentences: all, and those that the slow variant translates too, spread evenly. */
export const TEST_SENTENCES = 700;
export const FEW_SENTENCES = 100;
export const DECODE_BATCH = 32;
export const BEAM = { method: "beam", beamSize: 4, lengthPenalty: 0.6 } as const;
export const BEAM_LIMITS = { maximumDecodeLength: 80, extraDecodeLength: 30 } as const;

/** Forced output lengths of the cost per token, and sentences decoded together. */
export const FORCED_LENGTHS = [16, 32, 64, 128] as const;
export const FORCED_SENTENCES = 8;
export const LENGTH_TURNS = 3;
/** Turns of the teacher-forced evaluation of the dev set, and its batches. */
export const EVALUATION_TURNS = 3;
export const EVALUATION_BATCH = 32;

/** The post-training benchmark: dev sentences, spread evenly, and those decoded together. */
export const GNMT_PRETRAINED = `${root}pretrained/gnmt-lohelp`;
export const GNMT_CONFIG = `${root}recipes/translation/gnmt/prediction_args.yml`;
export const PTQ_SENTENCES = 96;
export const PTQ_BATCH = 32;
export const PTQ_TURNS = 5;
