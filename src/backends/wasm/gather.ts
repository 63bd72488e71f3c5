/** Rows of a tensor by index on the wasm backend, copied as blocks of bytes. */
import type * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";
import { addressOf, intView, type WasmBackend } from "./memory.ts";

/** Bytes of an element of the dtypes that are copied here. */
const BYTES = 4;

/** True where {@link gatherRows} can stand in for the compiled kernel, which copies by element. */
export function isRowGather(x: tf.TensorInfo, indices: tf.TensorInfo, attrs: GatherAttributes) {
  const isBlock = x.dtype === "float32" || x.dtype === "int32";
  return isBlock && indices.dtype === "int32" && attrs.axis === 0 && !attrs.batchDims;
}

/** Attributes of the GatherV2 kernel. */
export interface GatherAttributes {
  readonly axis?: number;
  readonly batchDims?: number;
}

/**
 * The GatherV2 kernel along the first axis: out[i] = x[indices[i]].
 * @throws {KernelError} for an index outside of x
 */
export function gatherRows(
  backend: WasmBackend,
  x: tf.TensorInfo,
  indices: tf.TensorInfo,
): tf.TensorInfo {
  const [rows, ...rowShape] = x.shape as [number, ...number[]];
  const out = backend.makeOutput([...indices.shape, ...rowShape], x.dtype);
  const rowBytes = BYTES * rowShape.reduce((product, dimension) => product * dimension, 1);
  const heap = backend.wasm.HEAPU8;
  const from = addressOf(backend, x);
  let to = addressOf(backend, out);
  for (const index of intView(backend, indices)) {
    if (index < 0 || index >= rows) {
      backend.disposeData(out.dataId);
      throw new KernelError(
        `gather: expected indices from 0 to ${rows - 1}, received ${index}. Check the ids.`,
      );
    }
    const start = from + index * rowBytes;
    heap.copyWithin(to, start, start + rowBytes);
    to += rowBytes;
  }
  return out;
}
