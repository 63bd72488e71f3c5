/** The models by name, as `model.class` of a configuration gives it. */
import { UnknownNameError } from "../errors.ts";
import type { Seq2SeqModel } from "./model.ts";
import type { TransformerArgs } from "./transformer-parts.ts";
import { Transformer } from "./transformer.ts";

/** Makes each known model; caller disposes. */
export const MODEL_CATALOGUE = {
  Transformer: (args: TransformerArgs): Seq2SeqModel => new Transformer(args),
} as const;

/** Name of a known model. */
export type ModelClass = keyof typeof MODEL_CATALOGUE;

/**
 * The model called `className`, with initial weights.
 * @throws {UnknownNameError} for an unknown name
 */
export function createModel(className: string, args: TransformerArgs): Seq2SeqModel {
  if (!Object.hasOwn(MODEL_CATALOGUE, className)) {
    throw new UnknownNameError("model.class", "model", className, Object.keys(MODEL_CATALOGUE));
  }
  return MODEL_CATALOGUE[className as ModelClass](args);
}
