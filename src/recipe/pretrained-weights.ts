/** The weights of a pretrained model, all or some, for a new run. */
import { ConfigError } from "../errors.ts";
import { assignWeights } from "../models/load-weights.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { loadCheckpoint } from "../train/checkpoint-store.ts";
import { variablePattern } from "../train/variable-pattern.ts";
import type { RunReporter } from "./run-reporter.ts";

/** Which variables are loaded, and who is told. */
export interface PretrainedOptions {
  /** Regular expression over variable names; undefined: all. */
  readonly pattern: string | undefined;
  readonly reporter: RunReporter;
}

/**
 * Gives a model the weights of a pretrained one.
 * @param source directory or file of the pretrained model
 * @returns names of the clips that are still to be calibrated
 * @throws {ConfigError} if the pattern is no regular expression or matches nothing;
 *   {@link CheckpointError} if the weights do not fit the model
 */
export function loadPretrained(
  model: Seq2SeqModel,
  source: string,
  { pattern, reporter }: PretrainedOptions,
): ReadonlySet<string> {
  const { path, weights } = loadCheckpoint(source);
  if (pattern === undefined) {
    const open = assignWeights(model, weights, path);
    reporter.note(`weights from ${path}`);
    return new Set(open);
  }
  const expression = variablePattern("pretrain_variable_pattern", pattern);
  const names = [...model.variables.keys()];
  const count = names.filter((name) => expression.test(name)).length;
  if (count === 0) {
    throw new ConfigError(
      `pretrain_variable_pattern: expected a pattern that matches some of ${names.length} ` +
        `variables, received "${pattern}", which matches none. ` +
        'List their names with "tfjs-qat inspect".',
    );
  }
  const open = assignWeights(model, weights, path, expression);
  reporter.note(
    `weights from ${path}: ${count} of ${names.length} variables match ` +
      `pretrain_variable_pattern; the others keep their initial values`,
  );
  return new Set(open);
}
