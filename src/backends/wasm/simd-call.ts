/** How a call of a compiled kernel is made of the tensors that TensorFlow.js hands over. */
import type * as tf from "@tensorflow/tfjs";
import type { KernelAttributes } from "../../ops/kernel.ts";
import { checkedInput } from "../loop-call.ts";
import type { LoopKernel } from "../loop-kernel.ts";
import type { WasmContext } from "./context.ts";
import { addressOf, floatView, intView } from "./memory.ts";
import type { SimdModule } from "./simd-module.ts";

/** The inputs, attributes and outputs of one call, as addresses. */
export interface SimdCall {
  readonly simd: SimdModule;
  /** Address of a float32 input. */
  address(name: string): number;
  /** Address of an int32 input. */
  intAddress(name: string): number;
  /** Elements of an input, valid until the next allocation. */
  floats(name: string): Float32Array;
  ints(name: string): Int32Array;
  has(name: string): boolean;
  shape(name: string): readonly number[];
  readonly attributes: KernelAttributes;
  /** Addresses of the outputs, not initialised. */
  readonly out: readonly number[];
  /** See {@link WasmContext.scratch}. */
  scratch(bytes: number): number;
  /** float32 elements at an address, valid until the next allocation. */
  floatsAt(address: number, count: number): Float32Array;
  doublesAt(address: number, count: number): Float64Array;
  intsAt(address: number, count: number): Int32Array;
}

/** Runs one call; may refuse it by returning false, before it writes: the loop kernel then runs. */
export type SimdKernel = (call: SimdCall) => boolean;

/**
 * Runs a compiled kernel; returns its output or outputs, or null where it refuses the call.
 */
export function callSimdKernel(
  kernel: LoopKernel,
  run: SimdKernel,
  context: WasmContext & { readonly simd: SimdModule },
  inputs: tf.NamedTensorInfoMap,
  attributes: KernelAttributes,
): tf.TensorInfo | tf.TensorInfo[] | null {
  const { backend, simd } = context;
  const shapes: Record<string, readonly number[]> = {};
  for (const [key, info] of Object.entries(inputs))
    if (info !== undefined) shapes[key] = info.shape;
  const input = (key: string, dtype: tf.DataType): tf.TensorInfo =>
    checkedInput(kernel.name, inputs[key], key, dtype);
  const outputs: tf.TensorInfo[] = [];
  const release = (): void => {
    for (const { dataId } of outputs) backend.disposeData(dataId);
  };
  try {
    kernel.outputShapes(shapes, attributes).forEach((shape, i) => {
      outputs.push(backend.makeOutput([...shape], kernel.outputTypes?.[i] ?? "float32"));
    });
    const isDone = run({
      simd,
      address: (key) => addressOf(backend, input(key, "float32")),
      intAddress: (key) => addressOf(backend, input(key, "int32")),
      floats: (key) => floatView(backend, input(key, "float32")),
      ints: (key) => intView(backend, input(key, "int32")),
      has: (key) => inputs[key] !== undefined,
      shape: (key) => shapes[key] ?? [],
      attributes,
      out: outputs.map((info) => addressOf(backend, info)),
      scratch: (bytes) => context.scratch(bytes),
      floatsAt: (address, count) => new Float32Array(backend.wasm.HEAPU8.buffer, address, count),
      doublesAt: (address, count) => new Float64Array(backend.wasm.HEAPU8.buffer, address, count),
      intsAt: (address, count) => new Int32Array(backend.wasm.HEAPU8.buffer, address, count),
    });
    if (!isDone) {
      release();
      return null;
    }
  } catch (error) {
    release();
    throw error;
  }
  return outputs.length === 1 ? outputs[0]! : outputs;
}
