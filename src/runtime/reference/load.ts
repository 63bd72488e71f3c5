/** An int8 export as an executor. */
import { type Int8Model, parseInt8Model } from "../../formats/int8-model.ts";
import type { ReferenceExecutor } from "./executor.ts";
import { ReferenceGnmt } from "./gnmt.ts";
import { gnmtWeights } from "./gnmt-load.ts";
import { unfit } from "./parameters.ts";
import { ReferenceTransformer } from "./transformer.ts";
import { transformerWeights } from "./transformer-load.ts";

/** The executors by the class of the model. */
const EXECUTORS = {
  Transformer: (model: Int8Model): ReferenceExecutor =>
    new ReferenceTransformer(transformerWeights(model)),
  GNMT: (model: Int8Model): ReferenceExecutor => new ReferenceGnmt(gnmtWeights(model)),
} as const;

/**
 * The executor of an export.
 * @param tensors bytes of `model.int8.safetensors`
 * @param quantization text of `quantization.json`
 * @throws {FormatError} if the files are damaged, do not fit together, or hold a model that has no
 *   executor, or one whose products are not all quantized
 */
export function loadReference(
  tensors: Uint8Array,
  quantization: string,
  where = "int8 export",
): ReferenceExecutor {
  const model = parseInt8Model(tensors, quantization, where);
  const { class: className } = model.record.model;
  if (!Object.hasOwn(EXECUTORS, className)) {
    throw unfit("model.class", Object.keys(EXECUTORS).join(" or "), className);
  }
  return EXECUTORS[className as keyof typeof EXECUTORS](model);
}
