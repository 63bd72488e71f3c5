/** Patterns by which users choose variables. */
import { ConfigError } from "../errors.ts";

/**
 * The regular expression of a setting; it may match anywhere in a variable's checkpoint name.
 * @param key names the setting in messages
 * @throws {ConfigError} if the text is no regular expression
 */
export function variablePattern(key: string, source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new ConfigError(
      `${key}: expected a regular expression, received "${source}" ` +
        `(${(error as Error).message}). Correct the pattern.`,
      { cause: error },
    );
  }
}
