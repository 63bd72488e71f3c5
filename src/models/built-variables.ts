/** The last step of building a model. */
import type * as tf from "@tensorflow/tfjs";
import type { QuantPolicy } from "../quant/policy.ts";
import type { Seq2SeqModel } from "./model.ts";

/**
 * Variables of a model whose layers are built, by checkpoint name, in creation order.
 * @param policy that of all its layers
 * @throws {ConfigError} if an override has matched nothing; the model is disposed then
 */
export function builtVariables(
  model: Pick<Seq2SeqModel, "layers" | "dispose">,
  policy: QuantPolicy,
): ReadonlyMap<string, tf.Variable> {
  try {
    policy.assertAllMatched();
  } catch (error) {
    model.dispose();
    throw error;
  }
  return new Map(model.layers().flatMap((layer) => [...layer.namedVariables()]));
}
