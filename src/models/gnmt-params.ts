/** GNMT's parameters under MLPerf's names: schema, defaults, checks. */
import { z } from "zod";
import { modelParamsError } from "./params-error.ts";

/** Schema of `model.params`. */
export const gnmtParamsSchema = z.strictObject({
  hidden_size: z.int().min(1).describe("width of embeddings and of all layers"),
  num_layers: z
    .int()
    .min(2)
    .default(4)
    .describe("LSTM layers of the encoder, and as many of the decoder"),
  dropout: z.number().min(0).lt(1).default(0).describe("dropout of the input of every LSTM"),
  share_embedding: z
    .boolean()
    .default(true)
    .describe("one embedding for source and target; the softmax matrix is always its own"),
  init_weight: z.number().positive().default(0.1).describe("weights start uniform in ± this"),
});

export type GnmtParams = Readonly<z.output<typeof gnmtParamsSchema>>;

/**
 * Checks `model.params` and completes it.
 * @throws {UnknownNameError} for an unknown key; {@link ConfigError} for a bad value
 */
export function parseGnmtParams(params: unknown): GnmtParams {
  const parsed = gnmtParamsSchema.safeParse(params);
  if (parsed.success) return Object.freeze(parsed.data);
  throw modelParamsError(parsed.error, params, Object.keys(gnmtParamsSchema.shape));
}
