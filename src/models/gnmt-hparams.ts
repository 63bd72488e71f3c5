/** GNMT's named sizes, with MLPerf's criterion, optimizer and schedule, as data. */
import type { HparamsSet } from "./hparams.ts";

/** Name → width, layers of each side, dropout. `gnmt` is MLPerf's GNMT v2. */
const SIZES: Readonly<Record<string, readonly [number, number, number]>> = {
  gnmt: [1024, 4, 0.2],
  gnmt_toy: [8, 2, 0.1],
};

/** The pattern of names beyond the fixed ones. */
export const GNMT_PATTERN_TEXT = "gnmt_<width>_<layers>l[_dp0.<digits>]";
const PATTERN = /^gnmt_(\d+)_(\d+)l(?:_dp(0\.\d+))?$/;

/** Names of the fixed sizes. */
export const GNMT_SET_NAMES: readonly string[] = Object.keys(SIZES);

/**
 * The parameters that a name of GNMT's stands for; undefined for any other name.
 * @see mlcommons/training, retired_benchmarks/gnmt/pytorch, train.py
 */
export function gnmtHparamsSet(name: string): HparamsSet | undefined {
  const size = Object.hasOwn(SIZES, name) ? SIZES[name] : sizeOfPattern(name);
  if (size === undefined) return undefined;
  const [width, layers, dropout] = size;
  return {
    "model.class": "GNMT",
    "model.params": {
      hidden_size: width,
      num_layers: layers,
      dropout,
      share_embedding: true,
      init_weight: 0.1,
    },
    "criterion.class": "gnmt_label_smoothing",
    "criterion.params": { label_smoothing: 0.1 },
    "optimizer.class": "Adam",
    "optimizer.params": { epsilon: 1e-8, beta_1: 0.9, beta_2: 0.999 },
    "lr_schedule.class": "warmup_multi_step",
    "lr_schedule.params": {
      ...{ peak_lr: 1e-3, warmup_steps: 200 },
      ...{ remain_steps: 0.666, decay_steps: 4, decay_factor: 0.5 },
    },
  };
}

function sizeOfPattern(name: string): readonly [number, number, number] | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, width, layers, dropout] = match;
  return [Number(width), Number(layers), dropout === undefined ? 0.2 : Number(dropout)];
}
