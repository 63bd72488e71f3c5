/** Architectures: NeurST's dotted parameters of its Transformer. */
import { z } from "zod";
import { defineSection } from "./section.ts";

const size = z.int().min(1).optional();
const rate = z.number().min(0).lt(1).optional();
const flag = z.boolean().optional();

/** Parameters that encoder and decoder share. */
function stack(part: "encoder" | "decoder"): Record<string, z.ZodType> {
  return {
    [`${part}.num_layers`]: size.describe(`layers of the ${part}`),
    [`${part}.hidden_size`]: size.describe("width"),
    [`${part}.num_attention_heads`]: size.describe("attention heads"),
    [`${part}.filter_size`]: size.describe("width inside the feed-forward layers"),
    [`${part}.ffn_activation`]: z
      .enum(["relu", "gelu"])
      .optional()
      .describe("feed-forward activation"),
    [`${part}.attention_dropout_rate`]: rate.describe("dropout of attention probabilities"),
    [`${part}.ffn_dropout_rate`]: rate.describe("dropout inside the feed-forward layers"),
    [`${part}.layer_postprocess_dropout_rate`]: rate.describe("dropout before each residual sum"),
    [`${part}.layer_postprocess_epsilon`]: z
      .number()
      .positive()
      .optional()
      .describe("of layer norm"),
    [`${part}.post_normalize`]: flag.describe("layer norm after the residual sum"),
    [`${part}.attention_type`]: z.enum(["dot_product"]).optional().describe("kind of attention"),
  };
}

const timing = z.enum(["sinusoids", "emb"]).optional();

const transformerParams: z.ZodObject = z.strictObject({
  "modality.dim": size.describe("width of the embeddings"),
  "modality.timing": timing.describe("position embeddings"),
  "modality.source.dim": size.describe("width of the source embedding"),
  "modality.source.timing": timing.describe("position embeddings of the source"),
  "modality.target.dim": size.describe("width of the target embedding"),
  "modality.target.timing": timing.describe("position embeddings of the target"),
  "modality.share_source_target_embedding": flag.describe("one embedding for both languages"),
  "modality.share_embedding_and_softmax_weights": flag.describe("the softmax uses the embedding"),
  ...stack("encoder"),
  "encoder.attention_monotonic": flag.describe("encoder positions see only earlier ones"),
  ...stack("decoder"),
});

export const modelSection = defineSection({
  summary: "architecture; its parameters come from hparams_set or an existing model",
  optional: true,
  defaultClass: "Transformer",
  classes: { Transformer: { summary: "NeurST's Transformer", params: transformerParams } },
});
