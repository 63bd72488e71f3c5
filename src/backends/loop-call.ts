/** How a loop kernel's call is made of the tensors that TensorFlow.js hands over. */
import type * as tf from "@tensorflow/tfjs";
import { KernelError } from "../errors.ts";
import type { KernelAttributes } from "../ops/kernel.ts";
import type { InputShapes, KernelCall, LoopKernel, OutputType } from "./loop-kernel.ts";

/** How a backend gives its kernels memory. */
export interface LoopMemory {
  allocate(shape: readonly number[], dtype: OutputType): tf.TensorInfo;
  release(info: tf.TensorInfo): void;
  /** Called after the last allocation. */
  float(info: tf.TensorInfo): Float32Array;
  int(info: tf.TensorInfo): Int32Array;
}

/** Runs a loop kernel; returns its output, or its outputs where there are several. */
export function callLoopKernel(
  kernel: LoopKernel,
  memory: LoopMemory,
  inputs: tf.NamedTensorInfoMap,
  attributes: KernelAttributes,
): tf.TensorInfo | tf.TensorInfo[] {
  const given = new Map<string, tf.TensorInfo>();
  const shapes: Record<string, readonly number[]> = {};
  for (const [name, info] of Object.entries(inputs)) {
    if (info === undefined) continue;
    given.set(name, info);
    shapes[name] = info.shape;
  }
  const outputs: tf.TensorInfo[] = [];
  try {
    kernel.outputShapes(shapes, attributes).forEach((shape, i) => {
      outputs.push(memory.allocate(shape, kernel.outputTypes?.[i] ?? "float32"));
    });
    kernel.run(makeCall(kernel.name, given, memory, { attributes, outputs, shapes }));
  } catch (error) {
    for (const output of outputs) memory.release(output);
    throw error;
  }
  return outputs.length === 1 ? outputs[0]! : outputs;
}

interface CallParts {
  readonly attributes: KernelAttributes;
  readonly outputs: readonly tf.TensorInfo[];
  readonly shapes: InputShapes;
}

function makeCall(
  kernel: string,
  given: ReadonlyMap<string, tf.TensorInfo>,
  memory: LoopMemory,
  { attributes, outputs, shapes }: CallParts,
): KernelCall {
  const input = (name: string, dtype: tf.DataType): tf.TensorInfo =>
    checkedInput(kernel, given.get(name), name, dtype);
  return {
    floats: (name) => memory.float(input(name, "float32")),
    ints: (name) => memory.int(input(name, "int32")),
    has: (name) => given.has(name),
    shape: (name) => shapes[name] ?? [],
    attributes,
    out: outputs.filter(({ dtype }) => dtype === "float32").map((info) => memory.float(info)),
    get intOut() {
      return memory.int(outputs[0]!);
    },
  };
}

/** The input itself. @throws {KernelError} if it is missing or of another dtype */
export function checkedInput(
  kernel: string,
  info: tf.TensorInfo | undefined,
  name: string,
  dtype: tf.DataType,
): tf.TensorInfo {
  if (info?.dtype === dtype) return info;
  throw new KernelError(
    `${kernel}, input "${name}": expected a ${dtype} tensor, received ` +
      `${info === undefined ? "none" : info.dtype}. Convert it with tf.cast.`,
  );
}
