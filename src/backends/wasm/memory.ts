/** The memory of TensorFlow.js' wasm backend, as far as kernels need it. */
import type * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";

/** What the backend keeps of a tensor's data. */
interface WasmTensorData {
  /** Number by which compiled kernels know the tensor. */
  readonly id: number;
  /** Byte address; null for strings. */
  readonly memoryOffset: number | null;
}

/** The part of the backend that kernels use; TensorFlow.js does not publish all of it. */
export interface WasmBackend {
  dataIdNextNumber: number;
  readonly dataIdMap: { get(dataId: object): WasmTensorData };
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
    _malloc(bytes: number): number;
    _free(address: number): void;
    cwrap(name: string, result: null, parameters: "number"[]): (...values: number[]) => void;
  };
  move(dataId: object, values: unknown, shape: number[], dtype: tf.DataType, refs: number): void;
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
  dispose(): void;
}

/**
 * Makes the backend report a failed allocation. As published it would place the tensor at address 0
 * and let kernels write over the module's own data.
 */
export function guardAllocation(backend: WasmBackend): void {
  const move = backend.move.bind(backend);
  backend.move = (dataId, values, shape, dtype, refs) => {
    move(dataId, values, shape, dtype, refs);
    if (backend.dataIdMap.get(dataId).memoryOffset !== 0) return;
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    if (size === 0) return;
    backend.disposeData(dataId);
    throw memoryError(backend, `a ${dtype} tensor of shape [${shape.join(", ")}]`);
  };
}

/**
 * Address of new memory that no tensor owns.
 * @throws {KernelError} if there is none left
 */
export function allocate(backend: WasmBackend, bytes: number): number {
  const address = backend.wasm._malloc(bytes) >>> 0;
  if (address === 0) throw memoryError(backend, `${bytes} bytes of scratch memory`);
  return address;
}

function memoryError(backend: WasmBackend, what: string): KernelError {
  return new KernelError(
    `wasm memory: expected room for ${what}, received ` +
      `none beyond ${Math.round(backend.wasm.HEAPU8.length / 2 ** 20)} MiB. ` +
      `Use smaller batches, or dispose tensors that are no longer needed.`,
  );
}

/** A float32 tensor's elements. Allocation may move the memory: take views after the last one. */
export function floatView(backend: WasmBackend, info: tf.TensorInfo): Float32Array {
  return new Float32Array(backend.wasm.HEAPU8.buffer, addressOf(backend, info), sizeOfInfo(info));
}

/** An int32 tensor's elements; see {@link floatView}. */
export function intView(backend: WasmBackend, info: tf.TensorInfo): Int32Array {
  return new Int32Array(backend.wasm.HEAPU8.buffer, addressOf(backend, info), sizeOfInfo(info));
}

/** Byte address of a tensor's first element. */
export function addressOf(backend: WasmBackend, info: tf.TensorInfo): number {
  return backend.dataIdMap.get(info.dataId).memoryOffset ?? 0;
}

function sizeOfInfo(info: tf.TensorInfo): number {
  return info.shape.reduce((product, dimension) => product * dimension, 1);
}
