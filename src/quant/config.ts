/**
 * Quantization settings: what users may write (`quant_params`), and the complete frozen record that
 * layers receive.
 */
import { z } from "zod";
import { QUANT_MODES, type QuantMode } from "../core/qtype.ts";
import { ConfigError, UnknownNameError } from "../errors.ts";

const bits = z.int().min(2).max(8);
const clip = z.number().positive();
const rounding = z.enum(["half_even", "half_up"]);

/** Other tools whose placement or gradient rules may be followed. */
const QUANT_COMPATS = ["none", "neurst", "distiller-2019", "distiller-2020"] as const;

/**
 * How a range follows from the statistics of a tensor; see `range-methods.ts`. `none`: from the
 * smallest to the largest value.
 */
export const CLIP_METHODS = [
  ...(["none", "avg", "n_std", "gauss", "laplace", "percentile", "mse", "kl"] as const),
] as const;
/** One of {@link CLIP_METHODS}. */
export type ClipMethod = (typeof CLIP_METHODS)[number];

const overridable = {
  quant_weight_bits: bits.optional().describe("bits of weights, 2 to 8 [default: quant_bits]"),
  quant_act_bits: z
    .int()
    .min(2)
    .max(16)
    .optional()
    .describe(
      "bits of activations, 2 to 8, or to 16 where overrides name values that enter no product " +
        "[default: quant_bits]",
    ),
  quant_weight_clip_max: clip
    .optional()
    .describe("initial clip of every weight [default: the largest absolute value]"),
  quant_act_clip_max: clip
    .optional()
    .describe("initial clip of every activation [default: calibrated on training batches]"),
  quant_per_channel: z.boolean().optional().describe("one clip per output channel of each weight"),
  quant_cell_bits: z
    .int()
    .min(2)
    .max(16)
    .optional()
    .describe("bits of the cell states of LSTMs, which enter no product, 2 to 16 [default: 16]"),
  quant_weight_mode: z
    .enum(QUANT_MODES)
    .optional()
    .describe("codes of weights; all but symmetric are for post-training [default: symmetric]"),
  quant_act_mode: z
    .enum(QUANT_MODES)
    .optional()
    .describe("codes of activations; all but symmetric are for post-training [default: symmetric]"),
  quant_weight_clip: z
    .enum(CLIP_METHODS)
    .optional()
    .describe("post-training: how the range of weights is chosen [default: none]"),
  quant_act_clip: z
    .enum(CLIP_METHODS)
    .optional()
    .describe(
      "post-training: how ranges of activations follow from statistics [default: mse; none with " +
        "quant_dynamic and under distiller-2019 and distiller-2020]",
    ),
  quant_clip_n_stds: z
    .number()
    .positive()
    .optional()
    .describe("post-training: standard deviations that n_std keeps on each side of the mean"),
  quant_clip_half_range: z
    .boolean()
    .optional()
    .describe("post-training: gauss and laplace for values of one sign [default: false]"),
  quant_net_aware: z
    .boolean()
    .optional()
    .describe(
      "post-training: no range is wider than what the next sigmoid, tanh or relu can tell apart " +
        "[default: true]",
    ),
  quant_dynamic: z
    .boolean()
    .optional()
    .describe("post-training: activations take their ranges from the live tensor [default: false]"),
  quant_scale_approx_mult_bits: z
    .int()
    .min(1)
    .max(31)
    .optional()
    .describe("post-training: scales become integers of this many bits times a power of two"),
  quant_float_bits: z
    .literal([16, 32])
    .optional()
    .describe("post-training: what matches computes in floats of this many bits"),
};

const overrideSchema = z.strictObject({
  match: z
    .string()
    .min(1)
    .describe("glob over layer or quantizer paths: * within one part, ** across parts"),
  enable: z.boolean().optional().describe("false keeps what matches in float"),
  ...overridable,
});

/** What users may write under `quant_params`; NeurST's four keys and ours. */
export const quantParamsSchema = z.strictObject({
  quant_strategy: z
    .enum(["min/max"])
    .default("min/max")
    .describe("how ranges are learnt: NeurST's learned clips with L2 terms"),
  quant_bits: bits.default(8).describe("bits of weights and activations, 2 to 8"),
  ...overridable,
  quant_rounding: rounding
    .optional()
    .describe("half_even (deployed everywhere) or half_up (TensorFlow's own)"),
  quant_clip_lr: z
    .number()
    .positive()
    .default(0.002)
    .describe("learning rate of the clips at the schedule's highest rate"),
  quant_calibrate_batches: z
    .int()
    .min(1)
    .default(4)
    .describe("training batches used to calibrate clips that are not given"),
  quant_compat: z
    .enum(QUANT_COMPATS)
    .default("none")
    .describe(
      "neurst: a clip at or below zero receives no gradient, as in TensorFlow; distiller-2019 and " +
        "distiller-2020: recurrent layers round after each of their operations, biases are int32, " +
        "and symmetric scales are 127/max or 127.5/max at 8 bits",
    ),
  overrides: z
    .array(overrideSchema)
    .default([])
    .describe("settings for matching layers; the first match wins for each key"),
});

export type QuantParamsInput = z.input<typeof quantParamsSchema>;
export type QuantOverride = Readonly<z.output<typeof overrideSchema>>;

/** Complete quantization settings of a model. `null` clips are calibrated. */
export interface QuantConfig {
  readonly strategy: "min/max";
  readonly weightBits: number;
  readonly actBits: number;
  /** Bits of the cell states of LSTMs. */
  readonly cellBits: number;
  readonly weightClipMax: number | null;
  readonly actClipMax: number | null;
  readonly perChannel: boolean;
  readonly weightMode: QuantMode;
  readonly actMode: QuantMode;
  readonly weightClip: ClipMethod;
  readonly actClip: ClipMethod;
  /** What n_std needs, or null. */
  readonly clipNStds: number | null;
  readonly clipHalfRange: boolean;
  readonly netAware: boolean;
  /** Whether activations take their ranges from the live tensor. */
  readonly dynamic: boolean;
  /** Bits of the integer factors that stand for scales, or null for float32 scales. */
  readonly scaleApproxMultBits: number | null;
  /** 16 or 32 computes in floats instead of integers; null: integers. */
  readonly floatBits: 16 | 32 | null;
  readonly rounding: "half_even" | "half_up";
  readonly clipLearningRate: number;
  readonly calibrateBatches: number;
  readonly compat: (typeof QUANT_COMPATS)[number];
  readonly overrides: readonly QuantOverride[];
  /** L2 coefficient λ of weight clips: the penalty is λ·clip². NeurST: 0.001. */
  readonly weightClipL2: number;
  /** L2 coefficient of activation clips. NeurST: 0.01. */
  readonly actClipL2: number;
}

/**
 * Checks `quant_params` and completes it.
 * @throws {UnknownNameError} for an unknown key; {@link ConfigError} for a value out of range
 */
export function resolveQuantConfig(params: unknown): QuantConfig {
  const parsed = quantParamsSchema.safeParse(params ?? {});
  if (!parsed.success) throw quantParamsError(parsed.error, params);
  const p = parsed.data;
  return Object.freeze({
    strategy: p.quant_strategy,
    weightBits: p.quant_weight_bits ?? p.quant_bits,
    actBits: p.quant_act_bits ?? p.quant_bits,
    cellBits:
      p.quant_cell_bits ?? defaultCellBits(p.quant_compat, p.quant_act_bits ?? p.quant_bits),
    weightClipMax: p.quant_weight_clip_max ?? null,
    actClipMax: p.quant_act_clip_max ?? null,
    perChannel: p.quant_per_channel ?? false,
    weightMode: p.quant_weight_mode ?? "symmetric",
    actMode: p.quant_act_mode ?? "symmetric",
    weightClip: p.quant_weight_clip ?? "none",
    actClip: p.quant_act_clip ?? defaultActClip(p.quant_compat, p.quant_dynamic ?? false),
    clipNStds: p.quant_clip_n_stds ?? null,
    clipHalfRange: p.quant_clip_half_range ?? false,
    netAware: p.quant_net_aware ?? true,
    dynamic: p.quant_dynamic ?? false,
    scaleApproxMultBits: p.quant_scale_approx_mult_bits ?? null,
    floatBits: p.quant_float_bits ?? null,
    rounding: p.quant_rounding ?? "half_even",
    clipLearningRate: p.quant_clip_lr,
    calibrateBatches: p.quant_calibrate_batches,
    compat: p.quant_compat,
    overrides: p.overrides,
    weightClipL2: 0.001,
    actClipL2: 0.01,
  });
}

/** Live tensors have no histogram for a search. */
function defaultActClip(compat: QuantConfig["compat"], dynamic: boolean): ClipMethod {
  return dynamic || followsDistiller(compat) ? "none" : "mse";
}

/** The published placement rounds every result to the bits of activations. */
function defaultCellBits(compat: QuantConfig["compat"], actBits: number): number {
  return followsDistiller(compat) ? actBits : 16;
}

/** Whether operations are rounded, and scales made, as by one of Distiller's generations. */
export function followsDistiller(compat: QuantConfig["compat"]): boolean {
  return compat === "distiller-2019" || compat === "distiller-2020";
}

function quantParamsError(error: z.ZodError, params: unknown): ConfigError | UnknownNameError {
  const issue = error.issues[0]!;
  const where = ["quant_params", ...issue.path].join(".");
  if (issue.code === "unrecognized_keys") {
    const inOverride = issue.path[0] === "overrides";
    const known = Object.keys((inOverride ? overrideSchema : quantParamsSchema).shape);
    return new UnknownNameError(where, "key", issue.keys[0]!, known);
  }
  let value: unknown = params;
  for (const key of issue.path) value = (value as Record<PropertyKey, unknown>)[key];
  return new ConfigError(
    `${where}: expected ${issue.message}, received ${JSON.stringify(value)}. ` +
      `See "quant_params" in the command reference for the allowed values.`,
  );
}

/** The `quant_params` that give a configuration back through {@link resolveQuantConfig}. */
export function toQuantParams(config: QuantConfig): QuantParamsInput {
  return {
    quant_strategy: config.strategy,
    quant_bits: config.weightBits,
    quant_weight_bits: config.weightBits,
    quant_act_bits: config.actBits,
    quant_cell_bits: config.cellBits,
    ...(config.weightClipMax === null ? {} : { quant_weight_clip_max: config.weightClipMax }),
    ...(config.actClipMax === null ? {} : { quant_act_clip_max: config.actClipMax }),
    quant_per_channel: config.perChannel,
    quant_rounding: config.rounding,
    quant_clip_lr: config.clipLearningRate,
    quant_calibrate_batches: config.calibrateBatches,
    quant_compat: config.compat,
    ...postTrainingParams(config),
    overrides: config.overrides.map((override) => ({ ...override })),
  };
}

/** The settings of post-training quantization that are not at their defaults. */
function postTrainingParams(config: QuantConfig): Partial<QuantParamsInput> {
  const all: Partial<QuantParamsInput> = {
    quant_weight_mode: config.weightMode,
    quant_act_mode: config.actMode,
    quant_weight_clip: config.weightClip,
    quant_act_clip: config.actClip,
    quant_clip_half_range: config.clipHalfRange,
    quant_net_aware: config.netAware,
    quant_dynamic: config.dynamic,
    quant_clip_n_stds: config.clipNStds ?? undefined,
    quant_scale_approx_mult_bits: config.scaleApproxMultBits ?? undefined,
    quant_float_bits: config.floatBits ?? undefined,
  };
  const isDefault = ([key, value]: [string, unknown]): boolean =>
    key === "quant_act_clip"
      ? value === defaultActClip(config.compat, config.dynamic)
      : value === POST_TRAINING_DEFAULTS[key];
  return Object.fromEntries(Object.entries(all).filter((entry) => !isDefault(entry)));
}

const POST_TRAINING_DEFAULTS: Readonly<Record<string, unknown>> = {
  quant_weight_mode: "symmetric",
  quant_act_mode: "symmetric",
  quant_weight_clip: "none",
  quant_clip_half_range: false,
  quant_net_aware: true,
  quant_dynamic: false,
};

/**
 * A configuration as a layer's `getConfig` returns it: `quant_params` as JSON text. The host
 * changes the case of every key and string when it saves a model (`half_even` would come back as
 * `halfEven`), except of the string under `name`.
 */
export function quantConfigToHost(config: QuantConfig | null): { name: string } | null {
  return config === null ? null : { name: JSON.stringify(toQuantParams(config)) };
}

/** The inverse of {@link quantConfigToHost}; a configuration passes through. */
export function quantConfigFromHost(
  config: QuantConfig | { readonly name: string } | null,
): QuantConfig | null {
  return config !== null && "name" in config ? resolveQuantConfig(JSON.parse(config.name)) : config;
}
