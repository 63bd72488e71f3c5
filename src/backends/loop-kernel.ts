/**
 * A kernel written as plain loops over typed arrays, so that one definition serves every backend
 * whose memory JavaScript can see.
 */
import type { KernelAttributes, KernelName } from "../ops/kernel.ts";

/** The inputs, attributes and outputs of one call. Views are valid only during the call. */
export interface KernelCall {
  /** Elements of a float32 input. */
  floats(name: string): Float32Array;
  /** Elements of an int32 input. */
  ints(name: string): Int32Array;
  /** Whether an optional input is given. */
  has(name: string): boolean;
  shape(name: string): readonly number[];
  readonly attributes: KernelAttributes;
  /** Elements of the float32 outputs, not initialised. */
  readonly out: readonly Float32Array[];
  /** Elements of the first output where that is int32, not initialised. */
  readonly intOut: Int32Array;
}

/** Shapes of the given inputs by name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/** Types of elements that a kernel's outputs may have. */
export type OutputType = "float32" | "int32";

/** One kernel. */
export interface LoopKernel {
  readonly name: KernelName | "UnsortedSegmentSum";
  /** Types of the outputs; only the first may be int32 [default: all float32]. */
  readonly outputTypes?: readonly OutputType[];
  outputShapes(shapes: InputShapes, attributes: KernelAttributes): (readonly number[])[];
  run(call: KernelCall): void;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
