/**
 * One forward pass: what the layers of a model share while it runs. It travels in the `kwargs` of
 * `Layer.call`, so nothing about quantization is global.
 */
import type * as tf from "@tensorflow/tfjs";

/** The grid that a tensor's values lie on: value = code · scale, codes centred on their zero point. */
export interface TensorGrid {
  /** Path of the quantizer that made the tensor, such as `…/ffn/dense1_activ`. */
  readonly quantizer: string;
  readonly bits: number;
  /** The other tool whose numbers are wanted, or none. */
  readonly compat: "none" | "neurst";
  /** Largest absolute value of a code: bounds the sums of an integer product. */
  readonly maxAbsCode: number;
  /** Channel axis of the scale, or null for one scale. */
  readonly axis: number | null;
  /**
   * Scalar, or [channels] along `axis`; float32, owned by the pass. Null in passes that multiply
   * values, which need no scale.
   */
  readonly scale: tf.Tensor | null;
  /** True where the tensor holds the integer codes themselves instead of code · scale. */
  readonly holdsCodes: boolean;
  /** The pass' entry of the weight that the tensor is; null for activations. */
  readonly weight: QuantizedWeight | null;
}

/**
 * Which positions of the tensors at a place of a model are real. A mask of rank r covers the first r
 * axes of a tensor, or its first axis alone where that is the mask's axes in one (rows); axes of size 1
 * stand for every position.
 */
export interface Positions {
  /** float32, 1 where real and 0 on padding; owned by the pass or its tidy. */
  readonly mask: tf.Tensor;
  /** How many of the mask's axes tell samples apart: averages of extremes are means over samples. */
  readonly sampleAxes: number;
}

/** An operation of a layer as it ran, before its result is quantized. */
export interface OperationRecord {
  /** Path of the layer, or of the layer and the operation's name in it, such as `…/attn/softmax_att`. */
  readonly operation: string;
  /** Inputs by their number, on whatever grid they lie; valid during the call only. */
  readonly inputs: ReadonlyMap<number, tf.Tensor>;
  /** Null where only inputs are reported. */
  readonly output: tf.Tensor | null;
  /** Real positions of the output and of inputs of its shape; null: all. */
  readonly positions: Positions | null;
}

/** One matrix product as it ran: a row of the placement report. */
export interface ProductRecord {
  /** Path of the layer and the product's name in it, such as `…/self_attention/scores`. */
  readonly product: string;
  /** The grid of each operand, or null where it is float. */
  readonly left: TensorGrid | null;
  readonly right: TensorGrid | null;
  /** The operands themselves, valid during the call only. */
  readonly a: tf.Tensor;
  readonly b: tf.Tensor;
  /** Whether b's rows, not its columns, make the columns of the result. */
  readonly transposeB: boolean;
  /** Real positions of a; null: all. */
  readonly positions: Positions | null;
}

/** Where the random numbers of dropout come from: one stream for each site of one step. */
export interface DropoutSource {
  /** A scalar int32 seed tensor for the next dropout site of this step; caller disposes. */
  nextSeed(): tf.Tensor;
}

/** A weight on its grid, made at first use and reused: by one step, or by a whole evaluation. */
export interface QuantizedWeight {
  /** fround(code · scale), shape of the weight; null until asked for. */
  values: tf.Tensor | null;
  /** The integer codes as float32, zero being code 0; null until asked for. */
  codes: tf.Tensor | null;
  /** The codes as bytes, laid out for products, by whether the product transposes the weight. */
  readonly packed: Map<boolean, tf.Tensor>;
}

/** Settings and shared state of one forward pass. */
export interface Pass {
  /** True applies dropout. */
  readonly training: boolean;
  /**
   * `values`: products multiply dequantized float32 values (training).
   * `codes`: products whose operands are both on a grid multiply integer codes exactly and scale
   * once (evaluation).
   */
  readonly products: "values" | "codes";
  readonly dropout: DropoutSource | null;
  /** Quantized weights by the variable's process-wide name, kept until {@link disposePass}. */
  readonly weights: Map<string, QuantizedWeight>;
  /** Scales by quantizer path, kept until {@link disposePass}. */
  readonly scales: Map<string, tf.Tensor>;
  /** Constant tables that layers make once, by layer path and size, kept until {@link disposePass}. */
  readonly tables: Map<string, tf.Tensor>;
  /** Grids of the quantized tensors of this pass, by data id: a clone's too, not a reshaped tensor's. */
  readonly grids: WeakMap<object, TensorGrid>;
  /** Data ids of weights in half precision: their products round what they multiply as well. */
  readonly float16: WeakSet<object>;
  /** Which positions are real where layers run now; null: all, or nobody asks. */
  readonly positions?: Positions | null | undefined;
  /** int32 [batch]: how many target positions of a teacher-forced batch are real; null: all. */
  readonly targetLengths?: tf.Tensor1D | null | undefined;
  /** Sees each activation just before it is quantized, and which of it is real: calibration. */
  readonly observe?:
    ((quantizer: string, x: tf.Tensor, positions: Positions | null) => void) | undefined;
  /** Sees the inputs and the result of each operation: statistics. */
  readonly onOperation?: ((record: OperationRecord) => void) | undefined;
  /** True leaves weights and activations float, while `observe` collects ranges. */
  readonly skipQuantization?: boolean | undefined;
  /** Sees each product: the placement report. */
  readonly onProduct?: ((record: ProductRecord) => void) | undefined;
  /**
   * Sees each quantized activation's codes (float32 integers, zero being code 0), valid during the call
   * only; not those of tensors with grids of their own.
   */
  readonly onCodes?: ((quantizer: string, codes: tf.Tensor) => void) | undefined;
}

/** What a caller may choose of a pass; the rest starts empty. */
export type PassOptions = Partial<
  Omit<Pass, "weights" | "scales" | "tables" | "grids" | "float16">
>;

/**
 * A new pass. Defaults: no dropout, products of values. A training pass serves one step and must
 * begin and end within one tf.tidy, which frees what it holds. Any other pass may serve a whole
 * evaluation, in which no weight changes; end it by {@link disposePass}.
 */
export function createPass(options: PassOptions = {}): Pass {
  return {
    training: false,
    products: "values",
    dropout: null,
    ...options,
    weights: new Map(),
    scales: new Map(),
    tables: new Map(),
    grids: new WeakMap(),
    float16: new WeakSet(),
  };
}

/** Whether somebody wants to see single operations of the pass, or unquantized values. */
export function isWatched(pass: Pass): boolean {
  const watcher = pass.observe ?? pass.onCodes ?? pass.onProduct ?? pass.onOperation;
  return watcher !== undefined || pass.skipQuantization === true;
}

/** Whether somebody asks which positions are real. */
export function asksPositions(pass: Pass): boolean {
  return (pass.observe ?? pass.onOperation ?? pass.onProduct) !== undefined;
}

/** The same pass for what its watchers have seen before. */
export function unwatched(pass: Pass): Pass {
  return { ...pass, observe: undefined, onCodes: undefined, onOperation: undefined };
}

/** Disposes the quantized weights, scales and tables that a pass has kept. */
export function disposePass(pass: Pass): void {
  for (const { values, codes, packed } of pass.weights.values()) {
    values?.dispose();
    codes?.dispose();
    for (const tensor of packed.values()) tensor.dispose();
  }
  for (const scale of pass.scales.values()) scale.dispose();
  for (const table of pass.tables.values()) table.dispose();
  pass.weights.clear();
  pass.scales.clear();
  pass.tables.clear();
}

/**
 * Runs `use` with a new pass and disposes the pass afterwards, also when `use` throws.
 * @returns what `use` returns; its tensors stay with the caller
 */
export function withPass<T>(options: PassOptions, use: (pass: Pass) => T): T {
  const pass = createPass(options);
  try {
    return use(pass);
  } finally {
    disposePass(pass);
  }
}
