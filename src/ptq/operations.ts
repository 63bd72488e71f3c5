/** The operations of a model by the names that Distiller gives them. */
import { nearestName } from "../errors.ts";
import { QuantOperation } from "../layers/elementwise.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { layerOf } from "./quantized-weights.ts";

/** A layer without layers inside, or a quantized part of one that has some. */
export interface Operation {
  /** Short path: that of the layer, or of the quantizer where the layer has others inside. */
  readonly path: string;
  /** Dotted names; the first is the path itself. */
  readonly names: readonly string[];
  /** Short paths of its quantizers; none where the placement leaves it in float. */
  readonly quantizers: readonly { readonly path: string; readonly isWeight: boolean }[];
  /** Whether it computes in half precision on demand although it has no quantizer. */
  readonly takesFloat16: boolean;
}

/** Operations of layers that have others inside, which some placements leave in float. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  BahdanauAttention: ["linear_att", "tanh", "matmul_score", "softmax_att", "context_matmul"],
};

/** Names in Distiller's GNMT that are not our paths. */
const DISTILLER_NAMES: readonly (readonly [ours: RegExp, theirs: readonly string[]])[] = [
  [/^embedder$/, ["encoder.embedder", "decoder.embedder"]],
  [/^decoder\.eltwiseconcats\.(\d+)$/, ["decoder.attention_concats.$1"]],
  [/^(.*\.attn)\.linear_att$/, ["$1.eltwisemul_norm_scaler"]],
];

/** All operations in the order of the layers. */
export function operationsOf(model: Seq2SeqModel): Operation[] {
  return model.layers().flatMap((layer) => {
    const path = shortPath(layer.name);
    const own = [...layer.quantizers].map(([name, { kind }]) => ({
      path: `${path}/${name}`,
      isWeight: kind === "weight",
    }));
    if (layer.sublayers.length === 0) {
      return [operation(path, own, layer instanceof QuantOperation)];
    }
    const inner = INNER[layer.getClassName()] ?? [];
    const names = new Set([...inner, ...layer.quantizers.keys()]);
    return [...names].map((name) => {
      const quantizer = `${path}/${name}`;
      return operation(
        quantizer,
        own.filter((candidate) => candidate.path === quantizer),
      );
    });
  });
}

/** The dotted name nearest to a pattern, for messages. */
export function nearestOperation(
  pattern: string,
  operations: readonly Operation[],
): string | undefined {
  const text = pattern.replaceAll("\\.", ".");
  return nearestName(
    text,
    operations.flatMap(({ names }) => names),
  );
}

/** Which of some short paths belong to no layer of a model, by our names or Distiller's. */
export function unknownOperations(paths: readonly string[], model: Seq2SeqModel): string[] {
  const layers = model.layers().map((layer) => shortPath(layer.name));
  const theirs = operationsOf(model).flatMap(({ names }) => names);
  const known = new Set([...layers, ...theirs.map((name) => name.replaceAll(".", "/"))]);
  return paths.filter((path) => !known.has(path) && !known.has(layerOf(path)));
}

function operation(
  path: string,
  quantizers: Operation["quantizers"],
  takesFloat16 = false,
): Operation {
  const dotted = path.replaceAll("/", ".");
  const others = DISTILLER_NAMES.flatMap(([ours, theirs]) =>
    ours.test(dotted) ? theirs.map((name) => dotted.replace(ours, name)) : [],
  );
  return { path, names: [dotted, ...others], quantizers, takesFloat16 };
}
