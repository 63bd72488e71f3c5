/** Overrides files of IntelLabs/distiller (commit d859fc85) as they stand. */
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { QuantOverride } from "../quant/config.ts";
import { QUANT_MODES } from "../core/qtype.ts";
import { nearestOperation, type Operation } from "./operations.ts";

const bits = z.int().min(2).nullable();
const clipMode = z.preprocess(lastPart, z.enum(["none", "avg", "n_std", "gauss", "laplace"]));
const quantMode = z.preprocess(lastPart, z.enum(QUANT_MODES));

/** Names of Python's enumerations: `ClipMode.AVG` and `AVG` alike. */
function lastPart(value: unknown): unknown {
  return typeof value === "string" ? value.split(".").at(-1)!.toLowerCase() : value;
}

const settingsSchema = z.strictObject({
  bits_activations: bits.optional(),
  bits_weights: bits.optional(),
  bits_bias: bits.optional(),
  mode: z
    .union([
      quantMode,
      z.strictObject({ activations: quantMode.optional(), weights: quantMode.optional() }),
    ])
    .optional(),
  clip_acts: clipMode.optional(),
  clip_n_stds: z.number().positive().nullable().optional(),
  clip_half_range: z.boolean().optional(),
  per_channel_wts: z.boolean().optional(),
  scale_approx_mult_bits: z.int().min(1).max(31).nullable().optional(),
  fp16: z.boolean().optional(),
  fpq_module: z.preprocess(
    (v) => (v === null ? undefined : Number(v)),
    z.literal([16, 32, 64]).optional(),
  ),
  fake: z.boolean().optional(),
  input_overrides: z.unknown().optional(),
  inputs_quant_auto_fallback: z.boolean().optional(),
  make_identity: z.boolean().optional(),
  quantize_inputs: z.boolean().optional(),
});

/** What one pattern of a file says. */
export type DistillerSettings = z.output<typeof settingsSchema>;

/** Keys of a pattern's settings. */
export const DISTILLER_KEYS: readonly string[] = Object.keys(settingsSchema.shape);

/** What becomes of keys that say something else here. */
const ELSEWISE: Partial<Record<keyof DistillerSettings, string>> = {
  bits_bias: "no effect here, biases are added in float32, or as int32 under the Distiller compats",
  fake: "no effect here, operations outside products are computed in float32 anyway",
  input_overrides: "no effect here, inputs have the grid of what made them",
  inputs_quant_auto_fallback: "no effect here, inputs have the grid of what made them",
  make_identity: "no effect here, no operation is left out",
  quantize_inputs: "no effect here, inputs have the grid of what made them",
};

/** One entry of a file. */
export interface DistillerEntry {
  readonly pattern: string;
  readonly settings: DistillerSettings;
}

/**
 * Checks the settings of one pattern.
 * @throws {ConfigError} naming the allowed keys and values
 */
export function parseDistillerSettings(value: unknown, where: string): DistillerSettings {
  const parsed = settingsSchema.safeParse(value ?? {});
  if (parsed.success) {
    const { fp16, fpq_module: bits } = parsed.data;
    if (fp16 !== true || bits === undefined || bits === 16) return parsed.data;
    throw new ConfigError(
      `${where}: expected fpq_module 16 beside fp16, received ${bits}. Leave one of them out.`,
    );
  }
  const issue = parsed.error.issues[0]!;
  const at = [where, ...issue.path.map(String)].join(", ");
  if (issue.code === "unrecognized_keys") {
    throw new ConfigError(
      `${at}: expected the keys ${DISTILLER_KEYS.join(", ")}, received "${issue.keys[0]!}". ` +
        "Correct or remove it.",
    );
  }
  throw new ConfigError(`${at}: expected ${issue.message}. Correct the value.`);
}

/** Overrides with explicit paths, and what a reader of the file should know. */
export interface ResolvedOverrides {
  readonly overrides: readonly QuantOverride[];
  /** One line for each key or pattern without an effect. */
  readonly notes: readonly string[];
}

/**
 * Translates a file for a model. Each pattern is compared as `^(?:pattern)$` with the dotted names of
 * all operations; the first one that matches has the whole say over an operation.
 * @throws {ConfigError} for a pattern that is no regular expression, or matches no operation
 */
export function resolveDistiller(
  entries: readonly DistillerEntry[],
  operations: readonly Operation[],
  where: string,
): ResolvedOverrides {
  const compiled = entries.map((entry) => {
    const regExp = compile(entry.pattern, where);
    const matching = operations.filter(({ names }) => names.some((name) => regExp.test(name)));
    if (matching.length === 0) throw noMatch(entry.pattern, operations, where);
    return { ...entry, regExp, matching: new Set(matching) };
  });
  const overrides = operations.flatMap((operation) => {
    const first = compiled.find(({ matching }) => matching.has(operation));
    return first === undefined ? [] : translated(first.settings, operation);
  });
  const notes = compiled.flatMap(({ pattern, settings, matching }) =>
    notesOf(settings, [...matching]).map((note) => `${where}, "${pattern}"${note}`),
  );
  return { overrides, notes };
}

/** What a reader of one pattern should know. */
function notesOf(settings: DistillerSettings, matching: readonly Operation[]): string[] {
  const bits = floatBitsOf(settings);
  const notes = Object.keys(settings).flatMap((key) => {
    // In floats, what `fake` says is done.
    const why =
      key === "fake" && bits !== null ? undefined : ELSEWISE[key as keyof typeof ELSEWISE];
    return why === undefined ? [] : [`, ${key}: ${why}`];
  });
  if (settings.fpq_module === 64)
    notes.push(", fpq_module: float32 instead, nothing is wider here");
  if (bits !== null && settings.fake === true && !matching.every(hasWeight)) {
    notes.push(
      ", fake: operations without weights compute in float32, their results are quantized",
    );
  }
  const untouched = matching.filter(
    ({ quantizers, takesFloat16 }) => quantizers.length === 0 && !(bits === 16 && takesFloat16),
  );
  if (untouched.length === matching.length) {
    notes.push(": no effect here, what it matches is computed in float32");
  } else if (bits === 16 && untouched.length > 0) {
    const names = untouched.map(({ path }) => path).join(", ");
    notes.push(`: computed in float32 all the same: ${names}`);
  }
  return notes;
}

/** In how many bits the operations compute; null: on codes. Without fp16 and fpq_module. */
function floatBitsOf({ fp16, fpq_module: bits }: DistillerSettings): 16 | 32 | null {
  if (fp16 === true || bits === 16) return 16;
  return bits === undefined ? null : 32;
}

function hasWeight({ quantizers }: Operation): boolean {
  return quantizers.some(({ isWeight }) => isWeight);
}

/** `module.` in front is what a model in DataParallel is called. */
function compile(pattern: string, where: string): RegExp {
  const source = pattern.replace(/^module(\\\.|\.)/, "").replaceAll("(?P<", "(?<");
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new ConfigError(
      `${where}: expected regular expressions, received "${pattern}" ` +
        `(${(error as Error).message}). Correct the pattern.`,
      { cause: error },
    );
  }
}

function noMatch(pattern: string, operations: readonly Operation[], where: string): ConfigError {
  const nearest = nearestOperation(pattern, operations);
  return new ConfigError(
    `${where}: expected patterns that match an operation, received "${pattern}", which matches ` +
      `none of ${operations.length}. ` +
      (nearest === undefined
        ? `"tfjs-qat quantize --print_plan" lists them.`
        : `Did you mean "${nearest}"?`),
  );
}

/** Entries for an operation: of its parts that stay float, and of what is left. */
function translated(settings: DistillerSettings, operation: Operation): QuantOverride[] {
  const { path, quantizers, takesFloat16 } = operation;
  const floatBits = floatBitsOf(settings);
  if (quantizers.length === 0) {
    const isHalf = floatBits === 16 && takesFloat16 && settings.fake !== true;
    return isHalf ? [{ match: path, quant_float_bits: 16 }] : [];
  }
  if (floatBits !== null) {
    if (settings.fake !== true) return [{ match: path, quant_float_bits: floatBits }];
    // Its weights and input are floats, its result is quantized all the same.
    const inFloat = hasWeight(operation)
      ? quantizers.filter((quantizer) => quantizer.path !== `${path}/output`)
      : [];
    const rest = { ...settings, fp16: undefined, fpq_module: undefined, fake: undefined };
    return [
      ...inFloat.map((quantizer) => ({ match: quantizer.path, quant_float_bits: floatBits })),
      ...translated(rest, operation),
    ];
  }
  const { bits_activations: acts, bits_weights: weights } = settings;
  const floats = quantizers.filter(({ isWeight }) => (isWeight ? weights : acts) === null);
  const shared = sharedSettings(settings);
  return [
    ...floats.map((quantizer) => ({ match: quantizer.path, enable: false })),
    ...(floats.length === quantizers.length || Object.keys(shared).length === 0
      ? []
      : [{ match: path, ...shared }]),
  ];
}

function sharedSettings(settings: DistillerSettings): Omit<QuantOverride, "match"> {
  const { mode } = settings;
  const modes = typeof mode === "string" ? { activations: mode, weights: mode } : mode;
  const all = {
    quant_weight_bits: settings.bits_weights ?? undefined,
    quant_act_bits: settings.bits_activations ?? undefined,
    quant_cell_bits: settings.bits_activations ?? undefined,
    quant_weight_mode: modes?.weights,
    quant_act_mode: modes?.activations,
    quant_act_clip: settings.clip_acts,
    quant_clip_n_stds: settings.clip_n_stds ?? undefined,
    quant_clip_half_range: settings.clip_half_range,
    quant_per_channel: settings.per_channel_wts,
    quant_scale_approx_mult_bits: settings.scale_approx_mult_bits ?? undefined,
  } as const;
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
