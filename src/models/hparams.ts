/** Named model sizes, with the optimizer and schedule that go with them, as data. */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { GNMT_PATTERN_TEXT, GNMT_SET_NAMES, gnmtHparamsSet } from "./gnmt-hparams.ts";

/** What a name of a size stands for: dotted keys, as a configuration file would write them. */
export interface HparamsSet {
  readonly "model.class": string;
  readonly "model.params": Readonly<Record<string, string | number | boolean>>;
  readonly "criterion.class"?: string;
  readonly "criterion.params"?: Readonly<Record<string, number>>;
  readonly "optimizer.class": string;
  readonly "optimizer.params": Readonly<Record<string, number>>;
  readonly "lr_schedule.class": string;
  readonly "lr_schedule.params": Readonly<Record<string, number>>;
}

interface Size {
  readonly dim: number;
  readonly heads: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly filterSize: number;
  readonly dropout: number;
}

const SIX_LAYERS = { encoderLayers: 6, decoderLayers: 6 };

const SIZES: Readonly<Record<string, Size>> = {
  transformer_toy: {
    dim: 8,
    heads: 2,
    encoderLayers: 2,
    decoderLayers: 2,
    filterSize: 10,
    dropout: 0.1,
  },
  transformer_s: { ...SIX_LAYERS, dim: 256, heads: 4, filterSize: 2048, dropout: 0.1 },
  transformer_base: { ...SIX_LAYERS, dim: 512, heads: 8, filterSize: 2048, dropout: 0.1 },
  transformer_big: { ...SIX_LAYERS, dim: 1024, heads: 16, filterSize: 4096, dropout: 0.3 },
  transformer_big_dp01: { ...SIX_LAYERS, dim: 1024, heads: 16, filterSize: 4096, dropout: 0.1 },
};

/** The pattern of names beyond the fixed ones. */
const PATTERN_TEXT = "transformer_<width>_<layers>e_<layers>d[_<heads>h][_dp0.<digits>]";
const PATTERN = /^transformer_(\d+)_(\d+)e_(\d+)d(?:_(\d+)h)?(?:_dp(0\.\d+))?$/;

/** Names of the fixed sizes. */
export const HPARAMS_SET_NAMES: readonly string[] = [...Object.keys(SIZES), ...GNMT_SET_NAMES];

/**
 * The parameters that a name stands for.
 * @throws {UnknownNameError} for an unknown name; {@link ConfigError} where the heads do not divide
 *   the width
 * @see NeurST, neurst/models/transformer.py, build_model_args_by_name
 */
export function hparamsSet(name: string): HparamsSet {
  const gnmt = gnmtHparamsSet(name);
  if (gnmt !== undefined) return gnmt;
  const size = Object.hasOwn(SIZES, name) ? SIZES[name] : sizeOfPattern(name);
  if (size === undefined) {
    const known = [...HPARAMS_SET_NAMES, PATTERN_TEXT, GNMT_PATTERN_TEXT];
    throw new UnknownNameError("hparams_set", "size", name, known);
  }
  if (size.dim % size.heads !== 0 || size.heads === 0) {
    throw new ConfigError(
      `hparams_set: expected a width divisible by its heads, received "${name}" with ` +
        `${size.dim} and ${size.heads}. Change the width or add _<heads>h.`,
    );
  }
  return {
    "model.class": "Transformer",
    "model.params": {
      "modality.share_source_target_embedding": false,
      "modality.share_embedding_and_softmax_weights": true,
      "modality.dim": size.dim,
      "modality.timing": "sinusoids",
      ...stackParams("encoder", size.encoderLayers, size),
      ...stackParams("decoder", size.decoderLayers, size),
    },
    "optimizer.class": "Adam",
    "optimizer.params": { epsilon: 1e-9, beta_1: 0.9, beta_2: 0.98 },
    "lr_schedule.class": "noam",
    "lr_schedule.params": { initial_factor: 1, dmodel: size.dim, warmup_steps: 4000 },
  };
}

function sizeOfPattern(name: string): Size | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, dim, encoderLayers, decoderLayers, heads, dropout] = match;
  return {
    dim: Number(dim),
    heads: heads === undefined ? 8 : Number(heads),
    encoderLayers: Number(encoderLayers),
    decoderLayers: Number(decoderLayers),
    filterSize: 4 * Number(dim),
    dropout: dropout === undefined ? 0.1 : Number(dropout),
  };
}

function stackParams(
  stack: "encoder" | "decoder",
  layers: number,
  size: Size,
): Record<string, string | number | boolean> {
  return {
    [`${stack}.num_layers`]: layers,
    [`${stack}.hidden_size`]: size.dim,
    [`${stack}.num_attention_heads`]: size.heads,
    [`${stack}.filter_size`]: size.filterSize,
    [`${stack}.attention_dropout_rate`]: size.dropout,
    [`${stack}.attention_type`]: "dot_product",
    [`${stack}.ffn_activation`]: "relu",
    [`${stack}.ffn_dropout_rate`]: size.dropout,
    [`${stack}.post_normalize`]: false,
    [`${stack}.layer_postprocess_dropout_rate`]: size.dropout,
    [`${stack}.layer_postprocess_epsilon`]: 1e-6,
  };
}
