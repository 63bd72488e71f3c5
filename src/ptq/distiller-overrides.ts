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
  fp16: "what matches is computed in float32, not float16",
  fpq_module: "whatever its number of bits, what matches is computed in float32",
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
  if (parsed.success) return parsed.data;
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
  const notes = compiled.flatMap(({ pattern, settings, matching }) => [
    ...Object.keys(settings).flatMap((key) => {
      const why = ELSEWISE[key as keyof DistillerSettings];
      return why === undefined ? [] : [`${where}, "${pattern}", ${key}: ${why}`];
    }),
    ...([...matching].every(({ quantizers }) => quantizers.length === 0)
      ? [`${where}, "${pattern}": no effect here, what it matches is computed in float32`]
      : []),
  ]);
  return { overrides, notes };
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
function translated(settings: DistillerSettings, { path, quantizers }: Operation): QuantOverride[] {
  if (quantizers.length === 0) return [];
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
  const isFloat = settings.fpq_module !== undefined || settings.fp16 === true;
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
    quant_float_bits: isFloat ? 32 : undefined,
  } as const;
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
