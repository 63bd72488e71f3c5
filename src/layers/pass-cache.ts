/** What layers keep in a pass: quantized weights, scales, and the grids that tensors lie on. */
import * as tf from "@tensorflow/tfjs";
import type { Pass, QuantizedWeight, TensorGrid } from "../quant/pass.ts";
import type { StaticQuantizer } from "../quant/quantizers.ts";

/** The entry of a weight in a pass, made empty at first use. */
export function cachedWeight(pass: Pass, weight: { readonly name: string }): QuantizedWeight {
  let cached = pass.weights.get(weight.name);
  if (cached === undefined) {
    cached = { values: null, codes: null, packed: new Map() };
    pass.weights.set(weight.name, cached);
  }
  return cached;
}

/** Most bits of an operand of an integer product. */
const OPERAND_BITS = 8;

/** Notes in the pass which grid a tensor lies on, so that products find it: grids of operands alone. */
export function recordGrid(
  x: tf.Tensor,
  quantizer: StaticQuantizer,
  pass: Pass,
  holds: { readonly codes: boolean; readonly weight?: QuantizedWeight },
): void {
  if (quantizer.bits > OPERAND_BITS) return;
  pass.grids.set(x.dataId, gridIn(pass, quantizer, holds));
}

/** The grid of a quantizer's results in a pass. */
export function gridIn(
  pass: Pass,
  quantizer: StaticQuantizer,
  holds: { readonly codes: boolean; readonly weight?: QuantizedWeight },
): TensorGrid {
  const { path, bits, maxAbsCode, axis, compat } = quantizer;
  const scale = pass.products === "codes" ? scaleIn(pass, quantizer) : null;
  return {
    ...{ quantizer: path, bits, compat, maxAbsCode, axis, scale },
    holdsCodes: holds.codes,
    weight: holds.weight ?? null,
  };
}

/** Columns of a matrix: from `begin` to before `end`. */
export interface Columns {
  readonly begin: number;
  readonly end: number;
}

/**
 * Columns of a weight as an operand of their own, on their part of its grid; made once for each pass.
 * @param weight [rows, columns], values or codes, as layers make them for products
 */
export function cachedColumns(
  weight: tf.Tensor2D,
  name: string,
  { begin, end }: Columns,
  pass: Pass,
): tf.Tensor2D {
  const part = `[${begin}:${end}]`;
  const grid = pass.grids.get(weight.dataId);
  const holds = grid?.holdsCodes === true ? "codes" : "values";
  const cached = cachedWeight(pass, { name: name + part });
  const known = cached[holds];
  if (known !== null) return known as tf.Tensor2D;
  const columns = keepIn(pass, tf.slice(weight, [0, begin], [-1, end - begin]));
  cached[holds] = columns;
  if (pass.float16.has(weight.dataId)) pass.float16.add(columns.dataId);
  if (grid === undefined) return columns;
  let { scale } = grid;
  if (scale !== null && grid.axis === 1) {
    const key = grid.quantizer + part;
    scale = pass.scales.get(key) ?? keepIn(pass, tf.slice(scale, begin, end - begin));
    pass.scales.set(key, scale);
  }
  pass.grids.set(columns.dataId, { ...grid, scale, weight: cached });
  return columns;
}

function scaleIn(pass: Pass, quantizer: StaticQuantizer): tf.Tensor {
  let scale = pass.scales.get(quantizer.path);
  if (scale === undefined) {
    scale = keepIn(pass, quantizer.scale());
    pass.scales.set(quantizer.path, scale);
  }
  return scale;
}

/** Evaluation passes outlive the tidy of one call; training passes end with theirs. */
export function keepIn<T extends tf.Tensor>(pass: Pass, tensor: T): T {
  return pass.training ? tensor : tf.keep(tensor);
}
