/** What is wrong with `model.params`. */
import type { z } from "zod";
import { ConfigError, UnknownNameError } from "../errors.ts";

/** The error of parameters that a schema refused. @param known names of all parameters */
export function modelParamsError(
  error: z.ZodError,
  params: unknown,
  known: readonly string[],
): ConfigError | UnknownNameError {
  const issue = error.issues[0]!;
  if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
    return new UnknownNameError("model.params", "key", issue.keys[0]!, [...known]);
  }
  const key = String(issue.path[0] ?? "");
  const value: unknown = (params as Record<string, unknown> | null | undefined)?.[key];
  return new ConfigError(
    `model.params.${key}: expected ${issue.message}, received ${value === undefined ? "nothing" : JSON.stringify(value)}. ` +
      `Give it in the configuration, or choose an hparams_set.`,
  );
}
