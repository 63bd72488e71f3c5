/** Every command, in the order of the overview. A command's file is loaded when it is asked for. */
import type { Command } from "./define-command.ts";

/** What the overview says of a command, and the way to it. */
export interface CommandEntry {
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "run_exp",
    summary: "Train, evaluate or predict from configuration files and flags",
    load: async () => (await import("./commands/run-exp.ts")).runExpCommand,
  },
  {
    name: "evaluate",
    summary: "Score a model directory, checkpoint or int8 export on a data set",
    load: async () => (await import("./commands/evaluate.ts")).evaluateCommand,
  },
  {
    name: "predict",
    summary: "Translate lines of standard input or of a file",
    load: async () => (await import("./commands/predict.ts")).predictCommand,
  },
  {
    name: "inspect",
    summary: "Tensors of a model directory, checkpoint or int8 export; one weight's integer matrix",
    load: async () => (await import("./commands/inspect.ts")).inspectCommand,
  },
  {
    name: "calibrate",
    summary: "Statistics of a float model's tensors while it translates text, for quantize",
    load: async () => (await import("./commands/calibrate.ts")).calibrateCommand,
  },
  {
    name: "export",
    summary: "Write a quantized model as int8 safetensors with quantization.json",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  {
    name: "quantize",
    summary: "Quantize a trained model without training, by statistics or by the live tensors",
    load: async () => (await import("./commands/quantize.ts")).quantizeCommand,
  },
  {
    name: "average",
    summary: "Mean of the weights of several checkpoints, as a new model directory",
    load: async () => (await import("./commands/average.ts")).averageCommand,
  },
  {
    name: "score",
    summary: "BLEU or chrF of a text file against references, with its signature",
    load: async () => (await import("./commands/score.ts")).scoreCommand,
  },
  {
    name: "vocab",
    summary: "Vocabulary of segmented text, most frequent tokens first",
    load: async () => (await import("./commands/vocab.ts")).vocabCommand,
  },
  {
    name: "bpe",
    summary: "Learn subword merges from text, or segment text with them",
    load: async () => (await import("./commands/bpe.ts")).bpeCommand,
  },
  {
    name: "native",
    summary: "Install TensorFlow for Node (the native backend), show or remove it",
    load: async () => (await import("./commands/native.ts")).nativeCommand,
  },
  {
    name: "doctor",
    summary: "Which backends work here, which one would be chosen, and what to do about the others",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
  },
];
