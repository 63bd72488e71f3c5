/** Reads recurrent layers of tf.layers: what they compute, their weights, and what we cannot carry over. */
import * as tf from "@tensorflow/tfjs";
import type { CellPlace, CellWeights } from "./cell-weights.ts";
import type { GateActivation } from "./recurrent-cell.ts";

/** A layer that our layers can stand for. */
export interface HostRecurrent {
  readonly kind: "lstm" | "gru";
  readonly units: number;
  readonly inputs: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
  readonly recurrentActivation: GateActivation;
  readonly returnSequences: boolean;
  readonly dropoutRate: number;
  /** What differs, though not in results. */
  readonly notes: readonly string[];
}

/** A recurrent layer as read, or why ours cannot stand for it. */
export type HostReading =
  | { readonly from: string; readonly layer: HostRecurrent; readonly reason: null }
  | { readonly from: string; readonly layer: null; readonly reason: string };

/** What the host writes about a layer of ours to read; what a class has not is missing. */
interface HostConfig {
  readonly [option: string]: unknown;
  readonly layer?: NamedConfig;
  readonly cell?: NamedConfig;
  readonly cells?: readonly NamedConfig[];
  readonly mergeMode?: string | null;
  readonly units?: number;
  readonly activation?: string;
  readonly recurrentActivation?: string;
  readonly useBias?: boolean;
  readonly dropout?: number;
  readonly recurrentDropout?: number;
  readonly returnSequences?: boolean;
}

interface NamedConfig {
  readonly className: string;
  readonly config: HostConfig;
}

const RECURRENT_CLASSES = ["LSTM", "GRU", "RNN", "SimpleRNN", "ConvLSTM2D"];
const CELL_KINDS: Readonly<Record<string, HostRecurrent["kind"]>> = {
  LSTMCell: "lstm",
  GRUCell: "gru",
};
const LOST_IN_TRAINING = [
  ...["kernelRegularizer", "recurrentRegularizer", "biasRegularizer", "activityRegularizer"],
  ...["kernelConstraint", "recurrentConstraint", "biasConstraint"],
];
const REFUSED = ["goBackwards", "returnState", "stateful"];

/** @returns null for a layer that is not recurrent */
export function readHostRecurrent(layer: tf.layers.Layer): HostReading | null {
  const named = { className: layer.getClassName(), config: layer.getConfig() as HostConfig };
  const wrapped = named.config.layer;
  const { className } = named;
  if (className === "TimeDistributed" && RECURRENT_CLASSES.includes(wrapped!.className)) {
    const from = `TimeDistributed(${wrapped!.className})`;
    return { from, layer: null, reason: "a wrapper over whole sequences has no counterpart" };
  }
  const bidirectional = className === "Bidirectional";
  const inner = bidirectional ? wrapped! : named;
  if (!RECURRENT_CLASSES.includes(inner.className)) return null;
  const from = bidirectional ? `Bidirectional(${inner.className})` : inner.className;
  const cells = cellsOf(inner);
  const reason =
    (bidirectional ? mergeProblem(named.config) : null) ??
    wrapperProblem(inner.config) ??
    cellsProblem(cells) ??
    (layer.built ? null : "it has no weights yet; build its model first");
  if (reason !== null) return { from, layer: null, reason };
  const { className: cellClass, config } = cells[0]!;
  return {
    from,
    reason: null,
    layer: {
      kind: CELL_KINDS[cellClass]!,
      units: config.units!,
      inputs: layer.getWeights()[0]!.shape[0],
      numLayers: cells.length,
      bidirectional,
      recurrentActivation: config.recurrentActivation as GateActivation,
      returnSequences: inner.config.returnSequences === true,
      dropoutRate: config.dropout ?? 0,
      notes: notesOn(config),
    },
  };
}

function cellsOf({ className, config }: NamedConfig): readonly NamedConfig[] {
  if (className !== "RNN") return [{ className: `${className}Cell`, config }];
  const cell = config.cell!;
  return cell.className === "StackedRNNCells" ? cell.config.cells! : [cell];
}

function mergeProblem({ mergeMode }: HostConfig): string | null {
  if (mergeMode === "concat") return null;
  return `mergeMode is ${String(mergeMode)}; set it to concat`;
}

function wrapperProblem(config: HostConfig): string | null {
  const option = REFUSED.find((name) => config[name] === true);
  return option === undefined ? null : `${option} is not supported; set it to false`;
}

function cellsProblem(cells: readonly NamedConfig[]): string | null {
  const unknown = cells.find(({ className }) => CELL_KINDS[className] === undefined);
  if (unknown !== undefined) return `${unknown.className} has no modular form`;
  const settings = ({ className, config: c }: NamedConfig): string =>
    [className, c.units, c.recurrentActivation, c.dropout].join();
  if (new Set(cells.map(settings)).size > 1) {
    return "its cells differ in kind, units, recurrentActivation or dropout; use a layer for each";
  }
  for (const { config } of cells) {
    const { activation, recurrentActivation } = config;
    if (activation !== "tanh") return `activation is ${activation}; only tanh is supported`;
    if (recurrentActivation !== "sigmoid" && recurrentActivation !== "hardSigmoid") {
      return `recurrentActivation is ${recurrentActivation}; only sigmoid and hardSigmoid are supported`;
    }
  }
  return null;
}

function notesOn(config: HostConfig): string[] {
  const lost = LOST_IN_TRAINING.filter(
    (name) => config[name] !== null && config[name] !== undefined,
  );
  const { dropout = 0, recurrentDropout = 0, useBias } = config;
  return [
    ...(dropout > 0
      ? [`dropout ${dropout} drops inputs of each step anew; before, the same ones at all steps`]
      : []),
    ...(recurrentDropout > 0 ? [`recurrentDropout ${recurrentDropout} is left out`] : []),
    ...lost.map((name) => `${name} is left out`),
    ...(useBias === false ? ["useBias was false; the biases start at zero and are trained"] : []),
  ];
}

/** Weights of each cell, as ours have them; freed by the caller's tidy. */
export function readHostCells(
  layer: tf.layers.Layer,
  { kind, numLayers, bidirectional }: HostRecurrent,
): { readonly place: CellPlace; readonly weights: CellWeights }[] {
  const all = layer.getWeights();
  const directions = bidirectional ? (["forward", "backward"] as const) : (["forward"] as const);
  const perCell = all.length / (numLayers * directions.length);
  return directions.flatMap((direction, d) =>
    Array.from({ length: numLayers }, (_, index) => {
      const begin = (d * numLayers + index) * perCell;
      const [kernel, recurrentKernel, bias] = all
        .slice(begin, begin + perCell)
        .map((tensor) => (kind === "gru" ? inOurOrder(tensor) : tensor));
      return {
        place: { index, direction },
        weights: {
          kernelX: kernel as tf.Tensor2D,
          kernelH: recurrentKernel as tf.Tensor2D,
          biasX: (bias ?? null) as tf.Tensor1D | null,
          biasH: null,
        },
      };
    }),
  );
}

/** Gates of tf.layers' GRUs are z, r, n; ours are r, z, n. LSTMs agree: i, f, c, o. */
function inOurOrder(weights: tf.Tensor): tf.Tensor {
  const [z, r, n] = tf.split(weights, 3, weights.rank - 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
  return tf.concat([r, z, n], -1);
}
