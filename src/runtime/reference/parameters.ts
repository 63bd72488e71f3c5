/** The sizes and options of a Transformer, from the parameters that an export records. */
import { FormatError } from "../../errors.ts";
import type { JsonValue } from "../../formats/json.ts";

/** One of the two stacks. */
export interface StackParameters {
  readonly numLayers: number;
  /** Width of embeddings and layers. */
  readonly dim: number;
  readonly filterSize: number;
  readonly numHeads: number;
  readonly postNormalize: boolean;
  /** Position i attends to positions 0 … i only. */
  readonly causal: boolean;
  readonly epsilon: number;
}

/** Position signal: sinusoids, a learned table, or none. */
export type Timing = "sinusoids" | "emb" | null;

/** What the executor needs to know beside the tensors. */
export interface TransformerParameters {
  readonly encoder: StackParameters;
  readonly decoder: StackParameters;
  readonly shareSourceTarget: boolean;
  readonly shareSoftmax: boolean;
  readonly sourceTiming: Timing;
  readonly targetTiming: Timing;
}

type Params = Readonly<Record<string, JsonValue>>;

/** @throws {FormatError} if a parameter is missing, or asks for what the executor does not have */
export function transformerParameters(params: Params): TransformerParameters {
  const shareSourceTarget = flag(params, "modality.share_source_target_embedding");
  const monotonic = flag(params, "encoder.attention_monotonic");
  const encoder = { ...stack(params, "encoder"), causal: monotonic };
  const decoder = { ...stack(params, "decoder"), causal: true };
  if (encoder.dim !== decoder.dim) {
    throw unfit("decoder.hidden_size", `encoder.hidden_size (${encoder.dim})`, decoder.dim);
  }
  return {
    encoder,
    decoder,
    shareSourceTarget,
    shareSoftmax: flag(params, "modality.share_embedding_and_softmax_weights"),
    sourceTiming: timingOf(params, shareSourceTarget ? "target" : "source"),
    targetTiming: timingOf(params, "target"),
  };
}

function stack(params: Params, name: string): Omit<StackParameters, "causal"> {
  const activation = params[`${name}.ffn_activation`] ?? "relu";
  if (activation !== "relu") throw unfit(`${name}.ffn_activation`, `"relu"`, activation);
  const dim = countOf(params, `${name}.hidden_size`);
  const numHeads = countOf(params, `${name}.num_attention_heads`);
  if (dim % numHeads !== 0) {
    throw unfit(`${name}.num_attention_heads`, `a divisor of ${dim}`, numHeads);
  }
  const epsilon = params[`${name}.layer_postprocess_epsilon`] ?? 1e-6;
  if (typeof epsilon !== "number" || !(epsilon > 0)) {
    throw unfit(`${name}.layer_postprocess_epsilon`, "a positive number", epsilon);
  }
  return {
    numLayers: countOf(params, `${name}.num_layers`),
    dim,
    filterSize: countOf(params, `${name}.filter_size`),
    numHeads,
    postNormalize: flag(params, `${name}.post_normalize`),
    epsilon,
  };
}

/** A size among the parameters of any model. @throws {FormatError} if it is none */
export function countOf(params: Params, key: string): number {
  const value = params[key];
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  throw unfit(key, "an integer from 1", value);
}

function flag(params: Params, key: string): boolean {
  const value = params[key] ?? false;
  if (typeof value === "boolean") return value;
  throw unfit(key, "true or false", value);
}

/** A timing is a name, or settings with the name under `timing`. */
function timingOf(params: Params, side: "source" | "target"): Timing {
  const key = `modality.${side}.timing`;
  const value = params[key] ?? params["modality.timing"] ?? null;
  const isSettings = typeof value === "object" && value !== null && "timing" in value;
  const name = isSettings ? value.timing : value;
  if (name === null || name === "sinusoids" || name === "emb") return name;
  throw unfit(key, `"sinusoids", "emb" or null`, name);
}

/** The error for a parameter that the executor cannot run. */
export function unfit(key: string, expected: string, received: JsonValue | undefined): FormatError {
  return new FormatError(
    `quantization.json, model parameter "${key}": expected ${expected}, received ` +
      `${received === undefined ? "nothing" : JSON.stringify(received)}. ` +
      `The reference executor runs NeurST's Transformer with ReLU, and GNMT; export such a model.`,
  );
}
