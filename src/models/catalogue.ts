/** The models by name, as `model.class` of a configuration gives it. */
import { UnknownNameError } from "../errors.ts";
import { Gnmt } from "./gnmt.ts";
import type { ModelArgs, Seq2SeqModel } from "./model.ts";
import { Transformer } from "./transformer.ts";

/** Makes each known model; caller disposes. */
export const MODEL_CATALOGUE = {
  Transformer: (args: ModelArgs): Seq2SeqModel => new Transformer(args),
  GNMT: (args: ModelArgs): Seq2SeqModel => new Gnmt(args),
} as const;

/** Name of a known model. */
export type ModelClass = keyof typeof MODEL_CATALOGUE;

/**
 * The model called `className`, with initial weights.
 * @throws {UnknownNameError} for an unknown name
 */
export function createModel(className: string, args: ModelArgs): Seq2SeqModel {
  if (!Object.hasOwn(MODEL_CATALOGUE, className)) {
    throw new UnknownNameError("model.class", "model", className, Object.keys(MODEL_CATALOGUE));
  }
  return MODEL_CATALOGUE[className as ModelClass](args);
}
