/** The Transformer's parameters under NeurST's dotted names: schema, defaults, checks. */
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { modelParamsError } from "./params-error.ts";

const size = z.int().min(1);
const rate = z.number().min(0).lt(1);
const timing = z
  .union([
    z.enum(["sinusoids", "emb"]),
    z.strictObject({
      timing: z.enum(["sinusoids", "emb"]),
      max_positions: size.optional(),
      sinusoids_as_variable: z.boolean().optional(),
    }),
  ])
  .nullable();

const stackShape = {
  num_layers: size.describe("number of layers"),
  hidden_size: size.describe("width of the layers"),
  num_attention_heads: size.describe("number of attention heads"),
  filter_size: size.describe("width inside the feed-forward layers"),
  ffn_activation: z
    .enum(["relu", "gelu", "gelu_approx", "gelu_nonapprox", "tanh"])
    .default("relu")
    .describe("activation of the feed-forward layers"),
  attention_dropout_rate: rate.default(0).describe("dropout of attention probabilities"),
  attention_type: z.literal("dot_product").default("dot_product").describe("kind of attention"),
  ffn_dropout_rate: rate.default(0).describe("dropout inside the feed-forward layers"),
  layer_postprocess_dropout_rate: rate.default(0).describe("dropout of every sublayer's result"),
  post_normalize: z.boolean().default(false).describe("normalize sums instead of inputs"),
  layer_postprocess_epsilon: z.number().positive().default(1e-6).describe("epsilon of layer norm"),
};

/** The parameters of a stack, without their prefix. */
type StackParams = { [K in keyof typeof stackShape]: z.output<(typeof stackShape)[K]> };

function prefixed<P extends string>(
  prefix: P,
): {
  [K in keyof typeof stackShape as `${P}.${K}`]: (typeof stackShape)[K];
} {
  return Object.fromEntries(
    Object.entries(stackShape).map(([key, schema]) => [`${prefix}.${key}`, schema]),
  ) as never;
}

/** Schema of `model.params`. */
export const transformerParamsSchema = z.strictObject({
  "modality.share_source_target_embedding": z
    .boolean()
    .default(false)
    .describe("one embedding for source and target"),
  "modality.share_embedding_and_softmax_weights": z
    .boolean()
    .default(false)
    .describe("the target embedding is also the softmax matrix"),
  "modality.dim": size.nullable().default(null).describe("width of embeddings"),
  "modality.source.dim": size.nullable().default(null).describe("of the source [modality.dim]"),
  "modality.target.dim": size.nullable().default(null).describe("of the target [modality.dim]"),
  "modality.timing": timing.default(null).describe("position embedding: sinusoids or emb"),
  "modality.source.timing": timing.default(null).describe("of the source [modality.timing]"),
  "modality.target.timing": timing.default(null).describe("of the target [modality.timing]"),
  ...prefixed("encoder"),
  "encoder.attention_monotonic": z
    .boolean()
    .nullable()
    .default(null)
    .describe("a source position sees only earlier ones"),
  ...prefixed("decoder"),
});

export type TransformerParams = Readonly<z.output<typeof transformerParamsSchema>>;
/** A position embedding as parameters give it; null for none. */
export type Timing = z.output<typeof timing>;

/**
 * Checks `model.params` and completes it.
 * @throws {UnknownNameError} for an unknown key; {@link ConfigError} for a bad value or for sizes
 *   that do not fit together
 */
export function parseTransformerParams(params: unknown): TransformerParams {
  const parsed = transformerParamsSchema.safeParse(params);
  if (!parsed.success)
    throw modelParamsError(parsed.error, params, Object.keys(transformerParamsSchema.shape));
  const complete = parsed.data;
  for (const side of ["source", "target"] as const) {
    const stack = side === "source" ? "encoder" : "decoder";
    const width = embeddingDim(complete, side);
    if (width !== complete[`${stack}.hidden_size`]) {
      throw new ConfigError(
        `model.params: expected ${stack}.hidden_size to be the ${side} embedding's width, ` +
          `received ${complete[`${stack}.hidden_size`]} and ${width}. Change modality.dim.`,
      );
    }
  }
  return Object.freeze(complete);
}

/** Width of one side's embedding; a shared embedding has the target's. */
export function embeddingDim(params: TransformerParams, side: "source" | "target"): number {
  const shared = params["modality.share_source_target_embedding"];
  const key = shared ? "modality.target.dim" : (`modality.${side}.dim` as const);
  return params[key] ?? params["modality.dim"] ?? params["encoder.hidden_size"];
}

/** Position embedding of one side; a shared embedding has the target's. */
export function timingOf(params: TransformerParams, side: "source" | "target"): Timing {
  const shared = params["modality.share_source_target_embedding"];
  const key = shared ? "modality.target.timing" : (`modality.${side}.timing` as const);
  return params[key] ?? params["modality.timing"];
}

/** The parameters of one stack, without their prefix. */
export function stackParams(params: TransformerParams, stack: "encoder" | "decoder"): StackParams {
  return Object.fromEntries(
    Object.keys(stackShape).map((key) => [
      key,
      params[`${stack}.${key}` as keyof TransformerParams],
    ]),
  ) as unknown as StackParams;
}
