/** Which variables of a model a run trains. */
import type * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { variablePattern } from "./variable-pattern.ts";

/**
 * The variables whose checkpoint name does not match `freezeVariables`.
 * @throws {ConfigError} if the pattern is no regular expression, matches nothing, or everything
 */
export function trainedVariables(
  variables: ReadonlyMap<string, tf.Variable>,
  freezeVariables: string | null,
): ReadonlyMap<string, tf.Variable> {
  if (freezeVariables === null) return variables;
  const pattern = variablePattern("freeze_variables", freezeVariables);
  const trained = new Map([...variables].filter(([name]) => !pattern.test(name)));
  if (trained.size > 0 && trained.size < variables.size) return trained;
  const received = trained.size === 0 ? "one that matches all" : "one that matches none";
  throw new ConfigError(
    `freeze_variables: expected a pattern that matches some of ${variables.size} variables, ` +
      `received "${freezeVariables}", ${received}. ` +
      'List their names with "tfjs-qat inspect".',
  );
}
