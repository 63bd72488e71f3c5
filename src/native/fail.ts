/** The installer's error: what was looked at, what it should have been, what to do. */
import { KernelError } from "../errors.ts";

/** `<where>: expected <expected>, received <received>. <remedy>` */
export function failure(
  where: string,
  [expected, received]: readonly [expected: string, received: string],
  remedy: string,
  options?: ErrorOptions,
): KernelError {
  return new KernelError(
    `${where}: expected ${expected}, received ${received}. ${remedy}`,
    options,
  );
}
