/** Ranges of a model's quantizers, taken from what passes through it in float. */
import * as tf from "@tensorflow/tfjs";
import type { QuantLayer } from "../../src/layers/quant-layer.ts";
import { type Pass, withPass } from "../../src/quant/pass.ts";
import { StaticQuantizer } from "../../src/quant/quantizers.ts";

interface Observed {
  layers(): readonly QuantLayer[];
  readonly variables: ReadonlyMap<string, tf.Variable>;
}

/**
 * Assigns every static quantizer the extremes of its weight, or of its values in `forward`, drawn in by
 * a share so that some saturate.
 */
export function assignObserved(model: Observed, forward: (pass: Pass) => void, share = 0.9): void {
  const extremes = new Map<string, { lo: number; hi: number }>();
  const observe = (path: string, x: tf.Tensor): void => {
    const values = x.dataSync();
    const range = extremes.get(path) ?? { lo: Infinity, hi: -Infinity };
    for (const v of values) {
      range.lo = Math.min(range.lo, v);
      range.hi = Math.max(range.hi, v);
    }
    extremes.set(path, range);
  };
  tf.tidy(() => {
    withPass({ observe, skipQuantization: true }, forward);
  });
  for (const layer of model.layers()) {
    for (const quantizer of layer.quantizers.values()) {
      if (!(quantizer instanceof StaticQuantizer)) continue;
      const { path, axis } = quantizer;
      const range =
        quantizer.kind === "weight"
          ? weightRange(model.variables.get(path)!, axis)
          : listed(extremes.get(path)!);
      const drawnIn = (bounds: readonly number[]): number[] => bounds.map((v) => v * share);
      quantizer.assignRange({ lo: drawnIn(range.lo), hi: drawnIn(range.hi) });
    }
  }
}

function listed({ lo, hi }: { lo: number; hi: number }): { lo: number[]; hi: number[] } {
  return { lo: [lo], hi: [hi] };
}

function weightRange(weight: tf.Tensor, axis: number | null): { lo: number[]; hi: number[] } {
  const others =
    axis === null ? undefined : weight.shape.map((_, i) => i).filter((i) => i !== axis);
  const values = (x: tf.Tensor): number[] => [...x.dataSync()];
  return tf.tidy(() => ({
    lo: values(tf.min(weight, others)),
    hi: values(tf.max(weight, others)),
  }));
}
