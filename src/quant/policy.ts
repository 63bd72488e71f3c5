/** Which settings each quantizer of a model gets: the model's own, changed by glob overrides. */
import { ConfigError, nearestName } from "../errors.ts";
import { followsDistiller, type QuantConfig, type QuantOverride } from "./config.ts";

/** Settings of one quantizer; a clip of null is calibrated. */
export type LayerQuantSettings = Omit<
  QuantConfig,
  "strategy" | "clipLearningRate" | "calibrateBatches" | "overrides"
>;

/**
 * Settings by quantizer path. A pattern is a glob over `/`-separated paths: `*` stands for any
 * characters within one part, `**` for any number of whole parts. It is compared with the short
 * path and with the full name of the quantizer and of every layer around it, so the path of a layer
 * selects all that is inside. For each key the first matching override that has it wins.
 */
export class QuantPolicy {
  /** The settings that the overrides start from; null keeps the whole model in float. */
  readonly config: QuantConfig | null;
  readonly #shortPath: (fullName: string) => string;
  readonly #patterns: readonly Pattern[];
  readonly #asked = new Map<string, LayerQuantSettings | null>();

  /**
   * @param shortPath the short path of a full name, such as `encoder/layer_0/ffn/dense1/kernel`
   */
  constructor(
    config: QuantConfig | null,
    shortPath: (fullName: string) => string = (name) => name,
  ) {
    this.config = config;
    this.#shortPath = shortPath;
    this.#patterns = (config?.overrides ?? []).map((override) => ({
      override,
      regExp: globToRegExp(override.match),
      hasMatched: false,
    }));
  }

  /** Whether recurrent layers round the result of every operation, as Distiller's do. */
  get roundsEach(): boolean {
    return this.config !== null && followsDistiller(this.config.compat);
  }

  /**
   * Settings of one quantizer, or null where it stays float.
   * @param path full name of the quantizer, such as `…/ffn/dense1/kernel`
   */
  for(path: string): LayerQuantSettings | null {
    if (this.config === null) return null;
    const matching = this.#matching(path);
    for (const pattern of matching) pattern.hasMatched = true;
    const overrides = matching.map((p) => p.override);
    const settings = applyOverrides(this.config, overrides);
    this.#asked.set(this.#shortPath(path), settings);
    return settings;
  }

  /**
   * Whether an operation without a quantizer computes in half precision: the one setting that
   * matters to it.
   * @param path full name that the quantizer of its result would have, such as `…/eltwiseadd_qk/output`
   */
  runsInFloat16(path: string): boolean {
    if (this.config === null) return false;
    const matching = this.#matching(path);
    const overrides = matching.map((p) => p.override);
    const settings = applyOverrides(this.config, overrides);
    if (settings?.floatBits !== 16) return false;
    for (const pattern of matching) {
      if (pattern.override.quant_float_bits !== undefined) pattern.hasMatched = true;
    }
    this.#asked.set(this.#shortPath(path), settings);
    return true;
  }

  /** The overrides that match a quantizer, in their order. @param path its full name */
  overridesOf(path: string): QuantOverride[] {
    return this.#matching(path).map((p) => p.override);
  }

  /** What {@link for} has answered, by short path: null where a place stays float. */
  get decisions(): ReadonlyMap<string, LayerQuantSettings | null> {
    return this.#asked;
  }

  #matching(path: string): Pattern[] {
    const candidates = [...prefixes(this.#shortPath(path)), ...prefixes(path)];
    return this.#patterns.filter((p) => candidates.some((c) => p.regExp.test(c)));
  }

  /**
   * Checks that every override has matched a quantizer; call it once the model is built.
   * @throws {ConfigError} naming the first pattern without a match and the nearest path
   */
  assertAllMatched(): void {
    const unmatched = this.#patterns.find((p) => !p.hasMatched);
    if (unmatched === undefined) return;
    const known = [...new Set([...this.#asked.keys()].flatMap(prefixes))];
    const nearest = nearestName(unmatched.override.match, known);
    throw new ConfigError(
      `quant_params.overrides: expected patterns that match a layer or quantizer, ` +
        `received "${unmatched.override.match}", which matches none of ${this.#asked.size}. ` +
        (nearest === undefined
          ? `List the paths with "tfjs-qat inspect".`
          : `Did you mean "${nearest}"?`),
    );
  }
}

interface Pattern {
  readonly override: QuantOverride;
  readonly regExp: RegExp;
  hasMatched: boolean;
}

/** `a/b/c` → `a`, `a/b`, `a/b/c`. */
function prefixes(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** `*` matches within one part, `**` across parts; everything else is literal. */
function globToRegExp(glob: string): RegExp {
  const source = glob
    .split("/")
    .map((part) => (part === "**" ? "**" : part.split("*").map(escapeRegExp).join("[^/]*")))
    .join("/")
    .replaceAll("**/", "(?:[^/]+/)*")
    .replace(/\/\*\*$/, "(?:/[^/]+)*")
    .replaceAll("**", ".*");
  return new RegExp(`^${source}$`);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);
}

function applyOverrides(
  config: QuantConfig,
  overrides: readonly QuantOverride[],
): LayerQuantSettings | null {
  const first = <K extends keyof QuantOverride>(key: K): QuantOverride[K] | undefined =>
    overrides.find((override) => override[key] !== undefined)?.[key];
  if (first("enable") === false) return null;
  // Live tensors have no histogram for the searches that static ranges may be chosen by.
  const startsDynamic = first("quant_dynamic") === true && !config.dynamic;
  const given = Object.entries(FIELDS).flatMap(([key, field]) => {
    const value = first(key as keyof typeof FIELDS);
    return value === undefined ? [] : [[field, value]];
  });
  return {
    ...config,
    ...(startsDynamic ? { actClip: "none" } : {}),
    ...(Object.fromEntries(given) as Partial<LayerQuantSettings>),
  };
}

/** What each key of an override sets. */
const FIELDS = {
  quant_weight_bits: "weightBits",
  quant_act_bits: "actBits",
  quant_cell_bits: "cellBits",
  quant_weight_clip_max: "weightClipMax",
  quant_act_clip_max: "actClipMax",
  quant_per_channel: "perChannel",
  quant_weight_mode: "weightMode",
  quant_act_mode: "actMode",
  quant_weight_clip: "weightClip",
  quant_act_clip: "actClip",
  quant_clip_n_stds: "clipNStds",
  quant_clip_half_range: "clipHalfRange",
  quant_net_aware: "netAware",
  quant_dynamic: "dynamic",
  quant_scale_approx_mult_bits: "scaleApproxMultBits",
  quant_float_bits: "floatBits",
} as const satisfies Record<
  Exclude<keyof QuantOverride, "match" | "enable">,
  keyof LayerQuantSettings
>;
