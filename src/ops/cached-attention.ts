/** Attention of one new position to keys and values that stay where earlier steps have left them. */
import * as tf from "@tensorflow/tfjs";
import type { Rounding } from "../core/qtype.ts";
import { attentionSoftmax } from "./attention-softmax.ts";
import { codeProduct } from "./code-product.ts";
import { placesInBlocks } from "./cell-blocks.ts";
import { fakeQuant, fakeQuantCodes, type FakeQuantSpec } from "./fake-quant.ts";
import { runKernel } from "./kernel.ts";

/**
 * Cells: float32 values or codes, in which each position's `units` keys and then as many values
 * begin at a column that the options name; or codes narrow by {@link narrowCodes}.
 */
export type KeptKeys = KeptPast | KeptBlocks | KeptMemory;

/** A row's own past: each step left one tensor, and rows may come from other rows since. */
export interface KeptPast {
  /** [rows of that step, width], or narrow; one for each step, this one's included. */
  readonly steps: readonly tf.Tensor2D[];
  /** int32 [rows, steps]: the row of each step's tensor that is this row's. */
  readonly ancestors: tf.Tensor2D;
}

/** A row's own past in blocks of fixed shape; see `cell-blocks.ts`. For captured steps. */
export interface KeptBlocks {
  /** [BLOCK_STEPS · capacity, width] each, oldest first. */
  readonly blocks: readonly tf.Tensor2D[];
  /** int32 [rows, BLOCK_STEPS · blocks]: the row of its block that holds each step of each row. */
  readonly places: tf.Tensor2D;
  /** int32 [rows]: how many steps are real. */
  readonly steps: tf.Tensor1D;
}

/** A memory that several rows share. */
export interface KeptMemory {
  /** [sentences, time, width], or narrow. */
  readonly memory: tf.Tensor3D;
  /** int32 [rows]: the sentence of each row. */
  readonly sentences: tf.Tensor1D;
  /** int32 [sentences]: how many positions are real. */
  readonly lengths: tf.Tensor1D;
}

/** Sizes and grids of {@link cachedAttention}. */
export interface CachedAttentionOptions {
  readonly heads: number;
  /** Width of keys, and of values, over all heads. */
  readonly units: number;
  /** Column at which a cell's keys begin; of no meaning where cells are narrow. */
  readonly column: number;
  /** Scales (float32 scalars) where queries and cells hold codes; null where they hold values. */
  readonly scales: { readonly queries: tf.Tensor; readonly cells: tf.Tensor } | null;
  /** Grid of the probabilities; null leaves them float. */
  readonly softmax: { readonly bits: number; readonly rounding: Rounding } | null;
}

/** Largest absolute code that {@link narrowCodes} keeps, and that sums in int32 allow for. */
export const MOST_NARROW_CODE = 128;

/**
 * softmax(q·kᵀ·depth^−½)·v for one query of each row; probabilities are rounded onto their grid.
 * Products are those of `code-product.ts` where both operands hold codes, else of float32 values,
 * summed in the order of the common axis. For evaluation: not differentiable.
 *
 * @param queries float32 [rows, units or more]: each row begins with its query
 * @returns float32 [rows, units]; the caller disposes it
 */
export function cachedAttention(
  queries: tf.Tensor2D,
  kept: KeptKeys,
  options: CachedAttentionOptions,
): tf.Tensor2D {
  const { heads, units, column, scales, softmax } = options;
  // No kernel reads blocks.
  if ("blocks" in kept) return tf.tidy(() => composition(queries, kept, options));
  const inputs: Record<string, tf.Tensor> = { queries, ...inputsOf(kept) };
  if (scales !== null) {
    Object.assign(inputs, { queryScale: scales.queries, cellScale: scales.cells });
  }
  const narrow = inputs["cell0"]!.dtype === "int32";
  const attributes = {
    ...{ heads, units, column, narrow },
    ...{ softmaxBits: softmax?.bits ?? 0, rounding: softmax?.rounding ?? "half_even" },
  };
  return runKernel("QatCachedAttention", inputs, attributes, () => [
    composition(queries, kept, options),
  ])[0] as tf.Tensor2D;
}

/** The kernel's inputs; the tensors of the steps are named cell0, cell1, … */
function inputsOf(kept: KeptPast | KeptMemory): Record<string, tf.Tensor> {
  if ("memory" in kept) {
    const { memory, sentences, lengths } = kept;
    return { cell0: memory, sentences, lengths };
  }
  const inputs: Record<string, tf.Tensor> = { ancestors: kept.ancestors };
  kept.steps.forEach((step, time) => (inputs[`cell${time}`] = step));
  return inputs;
}

/** Queries, keys and values as heads, [rows, heads, positions, depth], with what rows may see. */
export interface KeptHeads {
  readonly queries: tf.Tensor4D;
  readonly keys: tf.Tensor4D;
  readonly values: tf.Tensor4D;
  /** int32 [rows]; null where every position is real. */
  readonly keyLengths: tf.Tensor1D | null;
}

/** Copies each row's keys and values together, in order. Cells must not be narrow. */
export function gatherHeads(
  queries: tf.Tensor2D,
  kept: KeptKeys,
  { heads, units, column }: Pick<CachedAttentionOptions, "heads" | "units" | "column">,
): KeptHeads {
  const depth = units / heads;
  const [rows] = queries.shape;
  const places = placesOf(kept);
  const part = (start: number): tf.Tensor4D => headsAt(places, { start, heads, depth });
  return {
    queries: tf.reshape(tf.slice(queries, [0, 0], [rows, units]), [rows, heads, 1, depth]),
    keys: part(column),
    values: part(column + units),
    keyLengths: keyLengthsOf(kept),
  };
}

/** Cells [cells, width], and which of them each row sees, int32 [rows, positions]. */
interface PlacedCells {
  readonly cells: tf.Tensor2D;
  readonly places: tf.Tensor;
}

/** Where the positions of each row are: in one tensor, or in several one after the other. */
function placesOf(kept: KeptKeys): PlacedCells[] {
  if ("blocks" in kept) return placesInBlocks(kept);
  if ("memory" in kept) return [placesInMemory(kept)];
  const { steps, ancestors } = kept;
  let start = 0;
  const starts = steps.map((step) => {
    start += step.shape[0];
    return start - step.shape[0];
  });
  const places = tf.add(ancestors, tf.tensor2d(starts, [1, steps.length], "int32"));
  return [{ cells: tf.concat([...steps], 0), places }];
}

function placesInMemory({ memory, sentences }: KeptMemory): PlacedCells {
  const [count, time, width] = memory.shape;
  const first = tf.mul(tf.expandDims(sentences, 1), tf.scalar(time, "int32"));
  const places = tf.add(first, tf.range(0, time, 1, "int32"));
  return { cells: tf.reshape(memory, [count * time, width]), places };
}

/**
 * Columns `start` … of cells as heads, [rows, heads, positions, depth]. A head of a cell lies in one
 * piece, so that one lookup puts all in order.
 */
function headsAt(
  placed: readonly PlacedCells[],
  { start, heads, depth }: { start: number; heads: number; depth: number },
): tf.Tensor4D {
  const parts = placed.map(({ cells, places }) => {
    const pieces = cells.shape[1] / depth;
    const head = tf.reshape(tf.range(start / depth, start / depth + heads, 1, "int32"), [
      1,
      heads,
      1,
    ]);
    const first = tf.mul(tf.expandDims(places, 1), tf.scalar(pieces, "int32"));
    return tf.gather(tf.reshape(cells, [cells.shape[0] * pieces, depth]), tf.add(first, head));
  });
  return (parts.length === 1 ? parts[0]! : tf.concat(parts, 2)) as tf.Tensor4D;
}

function keyLengthsOf(kept: KeptKeys): tf.Tensor1D | null {
  if ("memory" in kept) return tf.gather(kept.lengths, kept.sentences);
  return "blocks" in kept ? kept.steps : null;
}

function composition(
  rows: tf.Tensor2D,
  kept: KeptKeys,
  options: CachedAttentionOptions,
): tf.Tensor2D {
  const { units, heads, scales, softmax } = options;
  const { queries, keys, values, keyLengths } = gatherHeads(rows, kept, options);
  const bounds = { maxAbsA: MOST_NARROW_CODE, maxAbsB: MOST_NARROW_CODE };
  const sums =
    scales === null
      ? tf.matMul(queries, keys, false, true)
      : codeProduct(queries, keys, {
          ...{ ...bounds, transposeB: true, scaleA: scales.queries, scaleB: scales.cells },
        });
  const scores = tf.mul<tf.Tensor4D>(sums, (units / heads) ** -0.5);
  const p = attentionSoftmax(scores, keyLengths, false);
  const context = weightedValues(p, values, scales?.cells ?? null, softmax);
  return tf.reshape(context, [rows.shape[0], units]);
}

/** Σ p·v, p rounded onto its grid. @param scale that of the values where they are codes */
function weightedValues(
  p: tf.Tensor,
  values: tf.Tensor,
  scale: tf.Tensor | null,
  softmax: CachedAttentionOptions["softmax"],
): tf.Tensor {
  if (softmax === null) return tf.matMul(p, scale === null ? values : tf.mul(values, scale));
  const spec: FakeQuantSpec = { kind: "softmax", axis: null, compat: "none", ...softmax };
  if (scale === null) return tf.matMul(fakeQuant(p, null, spec), values);
  return codeProduct(fakeQuantCodes(p, null, spec), values, {
    ...{ maxAbsA: 2 ** softmax.bits - 1, maxAbsB: MOST_NARROW_CODE },
    ...{ scaleA: tf.scalar(2 ** -softmax.bits), scaleB: scale },
  });
}

/**
 * Keeps the last `count` columns of codes in one byte each: int32 [rows, ⌈count/4⌉], four codes a
 * number, lowest byte first. Where there is no kernel for it, all of x as it is.
 *
 * @param x float32 codes of at most {@link MOST_NARROW_CODE}, [rows, columns]
 * @returns what the caller disposes
 * @throws {CheckpointError} for NaN
 */
export function narrowCodes(x: tf.Tensor2D, count: number): tf.Tensor2D {
  return runKernel("QatNarrowCodes", { x }, { count }, () => [tf.clone(x)])[0] as tf.Tensor2D;
}
