/** PyTorch's names and layouts of GNMT's weights as ours. */
import type { WeightArray } from "../../src/models/load-weights.ts";
import type { PlainTensor } from "./plain-gnmt.ts";

/** Weights of MLPerf's state_dict as a checkpoint of ours. */
export function fromMlperf(weights: ReadonlyMap<string, PlainTensor>): Map<string, WeightArray> {
  const renamed = new Map<string, WeightArray>();
  for (const [name, tensor] of weights) renamed.set(ourName(name), ourLayout(name, tensor));
  return renamed;
}

/** Name of one of MLPerf's weights in our checkpoints. */
export function ourName(name: string): string {
  const parts = /^(.*)\.(weight|bias)_(ih|hh)_l0(_reverse)?$/.exec(name);
  const path =
    parts === null
      ? name.replace(/^(encoder|decoder)\.embedder\.weight$/, "embedder.weights")
      : `${parts[1]!}.cells${parts[4] ?? ""}.0.fc_gate_${parts[3] === "ih" ? "x" : "h"}.${parts[2]!}`;
  return `SequenceToSequence/${path.replaceAll(".", "/").replace(/\/weight$/, "/kernel")}`;
}

/** A matrix of a map [outputs, inputs] becomes [inputs, outputs]; tables and vectors stay. */
function ourLayout(name: string, { shape, data }: PlainTensor): WeightArray {
  const [rows, columns] = shape as [number, number];
  if (shape.length !== 2 || name.includes("embedder")) return { shape, data };
  const turned = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j]!;
  }
  return { shape: [columns, rows], data: turned };
}
