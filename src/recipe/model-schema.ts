/** Architectures: the parameters that each model of the catalogue takes. */
import { z } from "zod";
import { gnmtParamsSchema } from "../models/gnmt-params.ts";
import { transformerParamsSchema } from "../models/transformer-params.ts";
import { defineSection } from "./section.ts";

/** A model's parameters, all optional: a recipe sets some, the model fills in its defaults. */
function optionalParams(params: z.ZodObject): z.ZodObject {
  const entries = Object.entries(params.shape).map(([key, declared]) => {
    const schema = declared as z.ZodType;
    const bare = schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema;
    return [key, bare.optional().describe(schema.description ?? "")] as const;
  });
  return z.strictObject(Object.fromEntries(entries));
}

export const modelSection = defineSection({
  summary: "architecture; its parameters come from hparams_set or an existing model",
  optional: true,
  defaultClass: "Transformer",
  classes: {
    Transformer: {
      summary: "NeurST's Transformer",
      params: optionalParams(transformerParamsSchema),
    },
    GNMT: {
      summary: "LSTMs with additive attention, as in MLPerf's GNMT v2",
      aliases: ["Gnmt", "gnmt"],
      params: optionalParams(gnmtParamsSchema),
    },
  },
});
