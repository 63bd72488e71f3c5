/** What NaN among integer codes means. */
import { CheckpointError } from "../../errors.ts";

/**
 * An integer cannot hold NaN, so it must not go on as 0.
 * @param where such as `attention`
 * @param expected such as `keys and values`
 */
export function codeError(where: string, expected: string): CheckpointError {
  return new CheckpointError(
    `${where}: expected ${expected}, received NaN. ` +
      `The model's weights are probably not finite; inspect the checkpoint.`,
  );
}
