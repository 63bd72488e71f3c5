/** Kernels for TensorFlow.js' plain JavaScript backend. */
import * as tf from "@tensorflow/tfjs";
import { callLoopKernel, type LoopMemory } from "./loop-call.ts";
import { LOOP_KERNELS } from "./loop-kernels.ts";
import { sizeOf } from "./loop-kernel.ts";

const BACKEND = "cpu";

/** The part of the backend that kernels use; TensorFlow.js does not publish it. */
interface CpuBackend {
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: tf.TypedArray): tf.TensorInfo;
  readSync(dataId: object): tf.TypedArray;
  disposeData(dataId: object): boolean;
}

/** Registers all our kernels for the cpu backend. Idempotent. */
export function registerCpuKernels(): void {
  const registered = new Set(tf.getKernelsForBackend(BACKEND).map(({ kernelName }) => kernelName));
  for (const kernel of LOOP_KERNELS) {
    if (registered.has(kernel.name)) continue;
    tf.registerKernel({
      kernelName: kernel.name,
      backendName: BACKEND,
      kernelFunc: ({ inputs, backend, attrs }) => {
        const attributes = (attrs ?? {}) as Record<string, number | string | boolean>;
        return callLoopKernel(kernel, cpuMemory(backend as CpuBackend), inputs, attributes);
      },
    });
  }
}

function cpuMemory(backend: CpuBackend): LoopMemory {
  const read = (info: tf.TensorInfo): tf.TypedArray => backend.readSync(info.dataId);
  return {
    allocate: (shape, dtype) => {
      const size = sizeOf(shape);
      const values = dtype === "int32" ? new Int32Array(size) : new Float32Array(size);
      return backend.makeTensorInfo([...shape], dtype, values);
    },
    release: (info) => void backend.disposeData(info.dataId),
    // A cast may leave a tensor's values in the array type that they came from.
    float: (info) => {
      const values = read(info);
      return values instanceof Float32Array ? values : Float32Array.from(values);
    },
    int: (info) => {
      const values = read(info);
      return values instanceof Int32Array ? values : Int32Array.from(values);
    },
  };
}
