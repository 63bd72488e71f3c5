/** Every command, in the order of the overview. Command files load heavy rooms only when they run. */
import { averageCommand } from "./commands/average.ts";
import { bpeCommand } from "./commands/bpe.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { exportCommand } from "./commands/export.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { predictCommand } from "./commands/predict.ts";
import { runExpCommand } from "./commands/run-exp.ts";
import { scoreCommand } from "./commands/score.ts";
import { vocabCommand } from "./commands/vocab.ts";
import type { Command } from "./define-command.ts";

export const COMMANDS: readonly Command[] = [
  runExpCommand,
  evaluateCommand,
  predictCommand,
  inspectCommand,
  exportCommand,
  averageCommand,
  scoreCommand,
  vocabCommand,
  bpeCommand,
];
