/** A kernel written in TensorFlow's operations, and how a call of it runs. */
import type * as tf from "@tensorflow/tfjs";
import type { KernelAttributes, KernelName } from "../../ops/kernel.ts";
import type { NativeBackend, UpdateInPlace } from "./binding.ts";
import { OpRun, type Value } from "./op-run.ts";
import { Ops } from "./ops.ts";

/** Inputs and attributes of one call. */
export interface NativeCall {
  readonly ops: Ops;
  /** An input that is always given. */
  readonly input: (name: string) => Value;
  /** An input that may be absent. */
  readonly optional: (name: string) => Value | null;
  readonly attributes: KernelAttributes;
  /** See {@link UpdateInPlace}. */
  noteUpdate(update: UpdateInPlace): void;
}

/**
 * One kernel. It decides by shapes and attributes only, never by values, so that a recorded call
 * holds for every other one of the same shapes.
 */
export interface NativeKernel {
  readonly name: KernelName;
  /** @returns the kernel's outputs, made by the call's operations */
  readonly run: (call: NativeCall) => Value[];
}

/** Runs a kernel; returns its output, or its outputs where there are several. */
export function callNativeKernel(
  run: NativeKernel["run"],
  backend: NativeBackend,
  inputs: tf.NamedTensorInfoMap,
  attributes: KernelAttributes,
): tf.TensorInfo | tf.TensorInfo[] {
  const opRun = new OpRun(backend);
  const optional = (name: string): Value | null => {
    const info = inputs[name];
    return info === undefined ? null : opRun.input(info);
  };
  const input = (name: string): Value => opRun.input(inputs[name]!);
  let outputs: Value[];
  try {
    const noteUpdate = opRun.noteUpdate.bind(opRun);
    outputs = run({ ops: new Ops(opRun), input, optional, attributes, noteUpdate });
  } catch (error) {
    opRun.discard();
    throw error;
  }
  const infos = opRun.finish(outputs);
  return infos.length === 1 ? infos[0]! : infos;
}
