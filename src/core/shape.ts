/** Shape checks with messages that show the pattern, such as `[batch, *, 512]`. */
import { ShapeError } from "../errors.ts";

/**
 * One entry for each axis: a number is that size, `*` any size, a name any size but the same
 * wherever the name repeats.
 */
export type ShapePattern = readonly (number | string)[];

/**
 * Checks a shape against a pattern.
 * @param where names the tensor in the message
 * @throws {ShapeError} if the rank or a size differs
 */
export function assertShape(where: string, shape: readonly number[], pattern: ShapePattern): void {
  const named = new Map<string, number>();
  const fits = pattern.every((entry, axis) => {
    const size = shape[axis];
    if (typeof entry === "number") return size === entry;
    if (entry === "*") return true;
    const known = named.get(entry);
    if (known === undefined && size !== undefined) named.set(entry, size);
    return known === undefined || known === size;
  });
  if (fits && shape.length === pattern.length) return;
  throw new ShapeError(
    `${where}: expected shape [${pattern.join(", ")}], received [${shape.join(", ")}]. ` +
      `Reshape the tensor or check the sizes it was made with.`,
  );
}

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
