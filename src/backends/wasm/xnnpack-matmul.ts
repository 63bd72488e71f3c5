/**
 * Matrix products by the wasm backend's own kernel, for where ours cannot run. It is fast (XNNPACK) only for a single product
 * of operands that are not transposed; here every product is brought into that form.
 */
import type * as tf from "@tensorflow/tfjs";
import { addressOf, floatView, type WasmBackend } from "./memory.ts";
import { operandIndices, productSizes, type ProductSizes } from "./product-sizes.ts";

/** The compiled kernels and the scratch memory of one backend. */
export interface MatMulContext {
  readonly backend: WasmBackend;
  /** TensorFlow.js' transposition. */
  readonly transpose: tf.KernelFunc;
  /** The compiled product: (aId, aShape, 3, bId, bShape, 3, transposeA, transposeB, outId). */
  readonly multiply: (...values: number[]) => void;
  /** Address of six int32: the shapes of both operands. */
  readonly shapes: number;
}

/** Prepares products on one backend. */
export function createMatMulContext(backend: WasmBackend, transpose: tf.KernelFunc): MatMulContext {
  const parameters = new Array<"number">(9).fill("number");
  return {
    backend,
    transpose,
    multiply: backend.wasm.cwrap("BatchMatMul", null, parameters),
    shapes: backend.wasm._malloc(24),
  };
}

/** Below this many multiplications a loop is faster than a call of the compiled kernel. */
const LOOP_LIMIT = 4096;

/** The BatchMatMul kernel for float32: out[g] = op(a[g])·op(b[g]), leading axes broadcast as in TensorFlow. */
export function xnnpackMatMul(
  context: MatMulContext,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposed: { readonly a: boolean; readonly b: boolean },
): tf.TensorInfo {
  if (isCheaperSwapped(a, b, transposed)) return swappedProduct(context, a, b);
  const { backend } = context;
  const left = plainOperand(context, a, transposed.a);
  const right = plainOperand(context, b, transposed.b);
  const sizes = productSizes(left, right, { a: false, b: false });
  const out = backend.makeOutput([...sizes.outer, sizes.m, sizes.n], "float32");
  if (sizes.k === 0) floatView(backend, out).fill(0);
  else if (sizes.m * sizes.n > 0 && sizes.batch > 0)
    multiplyAll(context, left, right, { out, ...sizes });
  if (left !== a) backend.disposeData(left.dataId);
  if (right !== b) backend.disposeData(right.dataId);
  return out;
}

/**
 * Whether a·bᵀ costs less as (b·aᵀ)ᵀ. Either way one operand is transposed and the right one is
 * packed; with few rows in a, moving a and the result is less than moving b.
 */
function isCheaperSwapped(
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposed: { readonly a: boolean; readonly b: boolean },
): boolean {
  if (transposed.a || !transposed.b || a.shape.length !== 2 || b.shape.length !== 2) return false;
  const [m, k] = a.shape as [number, number];
  const n = b.shape[0]!;
  return m * (2 * k + n) < 2 * k * n;
}

function swappedProduct(context: MatMulContext, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const right = plainOperand(context, a, true);
  const product = xnnpackMatMul(context, b, right, { a: false, b: false });
  context.backend.disposeData(right.dataId);
  const out = plainOperand(context, product, true);
  context.backend.disposeData(product.dataId);
  return out;
}

/** The operand with its last two axes swapped if need be; itself if not. */
function plainOperand(
  { backend, transpose }: MatMulContext,
  x: tf.TensorInfo,
  isTransposed: boolean,
): tf.TensorInfo {
  if (!isTransposed) return x;
  const perm = x.shape.map((_, i) => i);
  const last = perm.length - 1;
  perm[last] = last - 1;
  perm[last - 1] = last;
  return transpose({ inputs: { x }, attrs: { perm }, backend }) as tf.TensorInfo;
}

interface Products extends ProductSizes {
  readonly out: tf.TensorInfo;
}

function multiplyAll(
  context: MatMulContext,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  products: Products,
): void {
  const { m, k, n, batch } = products;
  if (batch === 1) {
    const { dataIdMap } = context.backend;
    writeShapes(context, products);
    const id = (info: tf.TensorInfo): number => dataIdMap.get(info.dataId).id;
    context.multiply(
      id(a),
      context.shapes,
      3,
      id(b),
      context.shapes + 12,
      3,
      0,
      0,
      id(products.out),
    );
  } else if (m * k * n < LOOP_LIMIT) {
    multiplyByLoops(context.backend, a, b, products);
  } else {
    multiplyByViews(context, a, b, products);
  }
}

function writeShapes({ backend, shapes }: MatMulContext, { m, k, n }: ProductSizes): void {
  new Int32Array(backend.wasm.HEAPU8.buffer, shapes, 6).set([1, m, k, 1, k, n]);
}

/** One compiled call for each matrix, through temporary tensors that point into the operands. */
function multiplyByViews(
  context: MatMulContext,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  products: Products,
): void {
  const { backend, multiply, shapes } = context;
  const module = backend.wasm.tfjs;
  const { m, k, n, batch } = products;
  const indexA = operandIndices(products.outer, products.outerA);
  const indexB = operandIndices(products.outer, products.outerB);
  const [addressA, addressB, addressOut] = [a, b, products.out].map((x) =>
    addressOf(backend, x),
  ) as [number, number, number];
  const aId = backend.dataIdNextNumber;
  const [bId, outId] = [aId + 1, aId + 2];
  backend.dataIdNextNumber += 3;
  writeShapes(context, products);
  for (let g = 0; g < batch; g++) {
    module.registerTensor(aId, m * k, addressA + 4 * m * k * indexA[g]!);
    module.registerTensor(bId, k * n, addressB + 4 * k * n * indexB[g]!);
    module.registerTensor(outId, m * n, addressOut + 4 * m * n * g);
    multiply(aId, shapes, 3, bId, shapes + 12, 3, 0, 0, outId);
    // Also frees the packed copy of b that XNNPACK keeps by the tensor's number.
    module.disposeData(aId);
    module.disposeData(bId);
    module.disposeData(outId);
  }
}

/** Small products; sums in the order and precision of the compiled kernel. */
function multiplyByLoops(
  backend: WasmBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  products: Products,
): void {
  const { m, k, n, batch } = products;
  const indexA = operandIndices(products.outer, products.outerA);
  const indexB = operandIndices(products.outer, products.outerB);
  const x = floatView(backend, a);
  const y = floatView(backend, b);
  const out = floatView(backend, products.out).fill(0);
  const f = Math.fround;
  for (let g = 0; g < batch; g++) {
    const matrixB = indexB[g]! * k * n;
    for (let i = 0; i < m; i++) {
      const rowA = (indexA[g]! * m + i) * k;
      const rowOut = (g * m + i) * n;
      for (let p = 0; p < k; p++) {
        const factor = x[rowA + p]!;
        const rowB = matrixB + p * n;
        for (let j = 0; j < n; j++) out[rowOut + j] = out[rowOut + j]! + f(factor * y[rowB + j]!);
      }
    }
  }
}
