/** What is told about tensors and activation ranges. */
import { shortPath } from "../models/layer-paths.ts";

/** One number, or one for each channel. */
export type PerChannel = number | readonly number[];

/** One tensor, or the range of one activation. */
export interface TensorReport {
  /** Short path, such as `encoder/layer_0/ffn/dense1/kernel`. */
  readonly path: string;
  /** Name in the checkpoint. */
  readonly name: string;
  readonly role: "quantized weight" | "float tensor" | "activation range";
  readonly shape: readonly number[];
  /** Type of what is deployed: int8 or uint8 codes for quantized weights. */
  readonly dtype: "float32" | "float16" | "int8" | "uint8";
  readonly bits: number | null;
  /** The trained clip; null for float tensors and for ranges that are not learnt. */
  readonly clip: PerChannel | null;
  /** Real size of one integer step. */
  readonly scale: PerChannel | null;
  /** The code of zero. */
  readonly zero_point: PerChannel | null;
  /** Smallest and largest value that codes express. */
  readonly output_min: number | null;
  readonly output_max: number | null;
  /** Different codes that occur. */
  readonly used_levels: number | null;
  /** Share of the codes at an end of their range. */
  readonly saturated: number | null;
}

/** A weight's integer matrix. */
export interface CodesReport extends TensorReport {
  readonly codes: Int8Array | Uint8Array;
}

/** All tensors of a model. */
export interface ModelReport {
  readonly path: string;
  readonly format: "float" | "quantized" | "int8";
  readonly step: number | null;
  readonly tensors: readonly TensorReport[];
  /** Codes of the quantized weights by checkpoint name. */
  readonly codes: ReadonlyMap<string, Int8Array | Uint8Array>;
}

/** Reports of tensors that are not quantized. */
export function floatReports(
  tensors: Iterable<readonly [name: string, tensor: { readonly shape: readonly number[] }]>,
): TensorReport[] {
  return Array.from(tensors, ([name, { shape }]) => floatReport(name, shape));
}

/** Report of a tensor that is not quantized. */
export function floatReport(name: string, shape: readonly number[]): TensorReport {
  return {
    path: shortPath(name),
    name,
    role: "float tensor",
    shape,
    dtype: "float32",
    bits: null,
    clip: null,
    scale: null,
    zero_point: null,
    output_min: null,
    output_max: null,
    used_levels: null,
    saturated: null,
  };
}

/** Report of a tensor or result in half precision, which has no range. */
export function float16Report(
  name: string,
  shape: readonly number[],
  role: "float tensor" | "activation range",
): TensorReport {
  return { ...floatReport(name, shape), role, dtype: "float16", bits: 16 };
}

/** One value alone, or all of them. */
export function perChannel(values: Float32Array | Int32Array): PerChannel {
  return values.length === 1 ? values[0]! : Array.from(values);
}

/** How a weight's codes use their range. */
export function codeFigures(
  codes: Int8Array | Uint8Array,
  { qmin, qmax }: { readonly qmin: number; readonly qmax: number },
): Pick<TensorReport, "used_levels" | "saturated"> {
  let ends = 0;
  for (const code of codes) if (code === qmin || code === qmax) ends++;
  return { used_levels: new Set(codes).size, saturated: ends / codes.length };
}
