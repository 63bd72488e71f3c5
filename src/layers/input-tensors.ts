/** What the host hands to `call` and `build`: one item, or a list of them. */
import type * as tf from "@tensorflow/tfjs";
import { ShapeError } from "../errors.ts";
import type { Pass } from "../quant/pass.ts";

/** The only tensor of a layer with one input. */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  const list = [inputs].flat();
  if (list.length !== 1) {
    throw new ShapeError(`layer: expected 1 input, received ${list.length}. Pass one tensor.`);
  }
  return list[0]!;
}

/** The shape of a layer's first input. */
export function firstShape(shapes: tf.Shape | tf.Shape[]): tf.Shape {
  return Array.isArray(shapes[0]) ? shapes[0] : (shapes as tf.Shape);
}

/** Width of the last axis. @throws {ShapeError} where the host does not know it */
export function lastWidth(where: string, shapes: tf.Shape | tf.Shape[]): number {
  const shape = firstShape(shapes);
  const width = shape.at(-1);
  if (typeof width !== "number") {
    throw new ShapeError(
      `${where}: expected a known last axis, received [${shape.join(", ")}]. ` +
        `Give the input layer a complete shape.`,
    );
  }
  return width;
}

/** x as rows of its last axis, [rows, width], on the grid of x. */
export function asRows(x: tf.Tensor, pass: Pass): tf.Tensor2D {
  const rows: tf.Tensor2D = x.reshape([-1, x.shape.at(-1)!]);
  const grid = pass.grids.get(x.dataId);
  // Not every backend shares the data of a tensor with its other shapes.
  if (grid !== undefined) pass.grids.set(rows.dataId, grid);
  return rows;
}
