/** Turns recurrent layers of tf.layers into modular ones, whose every operation can be quantized. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import type { QuantConfig } from "../quant/config.ts";
import { assignCell } from "./cell-weights.ts";
import { copyModel, type Replacement } from "./copy-model.ts";
import { QuantGRU } from "./gru.ts";
import { type HostRecurrent, readHostCells, readHostRecurrent } from "./host-recurrent.ts";
import { QuantLSTM } from "./lstm.ts";
import type { RecurrentStack } from "./recurrent-stack.ts";

export interface ConvertLstmOptions {
  /** Settings of the new layers; null or absent keeps them float. */
  readonly quantConfig?: QuantConfig | null;
}

/** One layer that has been converted. */
export interface ConvertedRecurrent {
  readonly name: string;
  /** Such as `LSTM` or `Bidirectional(GRU)`. */
  readonly from: string;
  readonly to: "QuantLSTM" | "QuantGRU";
  readonly units: number;
  readonly numLayers: number;
  readonly direction: "forward" | "bidirectional";
  /** What is different in training; results are the same. */
  readonly notes: readonly string[];
}

/** One recurrent layer that has been left as it was. */
export interface SkippedRecurrent {
  readonly name: string;
  readonly from: string;
  readonly reason: string;
}

/** What a conversion did. */
export interface ConversionReport {
  readonly converted: readonly ConvertedRecurrent[];
  readonly skipped: readonly SkippedRecurrent[];
  /** The same for people, in lines. */
  readonly text: string;
}

/**
 * Converts `tf.layers.lstm` and `tf.layers.gru`, alone, in `tf.layers.bidirectional` (concat) or as cells
 * of `tf.layers.rnn`, to {@link QuantLSTM} and {@link QuantGRU} with the same weights and, until it is
 * quantized, the same results: kernels as they are (a GRU's gates in the order r, z, n), the bias in
 * `fc_gate_x`, that of `fc_gate_h` zero.
 *
 * Given a model, Sequential or functional, returns a new one that is not compiled; the given one stays as
 * it is. Recurrent layers that ours cannot stand for are copied and listed in `skipped`. Given a
 * layer, returns a new layer. The caller disposes both. Quantized ones have to be calibrated first:
 * see `calibrateLayersModel`.
 *
 * @throws {ConfigError} if a model has no recurrent layer, or if a single layer cannot be converted
 */
export function convertLstm(
  source: tf.LayersModel,
  options?: ConvertLstmOptions,
): ConversionReport & { readonly model: tf.LayersModel };
export function convertLstm(
  source: tf.layers.Layer,
  options?: ConvertLstmOptions,
): ConversionReport & { readonly layer: RecurrentStack };
export function convertLstm(
  source: tf.LayersModel | tf.layers.Layer,
  { quantConfig = null }: ConvertLstmOptions = {},
): ConversionReport & { readonly model?: tf.LayersModel; readonly layer?: RecurrentStack } {
  if (source instanceof tf.LayersModel) return convertModel(source, quantConfig);
  const conversion = convertLayer(source, quantConfig);
  if (conversion === null || conversion.skipped !== null) {
    const reason = conversion?.skipped.reason ?? "it is not recurrent";
    throw new ConfigError(
      `convertLstm: expected an LSTM or GRU layer that ours can stand for, received ` +
        `${source.getClassName()} "${source.name}": ${reason}. Change the layer, or leave it as it is.`,
    );
  }
  const { layer, fill, converted, inputs } = conversion;
  layer.build([null, null, inputs]);
  fill();
  return { layer, ...reported([converted], []) };
}

function convertModel(
  source: tf.LayersModel,
  quantConfig: QuantConfig | null,
): ConversionReport & { readonly model: tf.LayersModel } {
  const masking = maskingLayer(source);
  const converted: ConvertedRecurrent[] = [];
  const skipped: SkippedRecurrent[] = [];
  const replace = (layer: tf.layers.Layer): Replacement | null => {
    const conversion = convertLayer(layer, quantConfig, masking);
    if (conversion === null) return null;
    if (conversion.skipped !== null) {
      skipped.push(conversion.skipped);
      return null;
    }
    converted.push(conversion.converted);
    return conversion;
  };
  const model = copyModel(source, replace);
  if (converted.length + skipped.length === 0) {
    model.dispose();
    throw new ConfigError(
      `convertLstm: expected a model with layers of LSTM or GRU, received "${source.name}" without. ` +
        `Quantize its other layers by building it of this package's layers.`,
    );
  }
  return { model, ...reported(converted, skipped) };
}

type LayerConversion =
  | (Replacement & {
      readonly layer: RecurrentStack;
      readonly inputs: number;
      readonly converted: ConvertedRecurrent;
      readonly skipped: null;
    })
  | { readonly skipped: SkippedRecurrent };

/** @param masking a layer of the same model that makes masks @returns null if it is not recurrent */
function convertLayer(
  source: tf.layers.Layer,
  quantConfig: QuantConfig | null,
  masking: tf.layers.Layer | null = null,
): LayerConversion | null {
  const reading = readHostRecurrent(source);
  if (reading === null) return null;
  const { name } = source;
  const { from, layer: host } = reading;
  const reason =
    reading.reason ??
    (source.inboundNodes.some(({ inputTensors }) => inputTensors.length > 1)
      ? "it takes initial states; use run() of our layers with start"
      : masking !== null
        ? `"${masking.name}" makes masks, which reach every later layer; use run() with lengths`
        : null);
  if (host === null || reason !== null) return { skipped: { name, from, reason: reason! } };
  const layer = newLayer(source, host, quantConfig);
  const fill = (): void => {
    tf.tidy(() => {
      for (const { place, weights } of readHostCells(source, host))
        assignCell(layer, place, weights);
    });
  };
  const to = host.kind === "lstm" ? "QuantLSTM" : "QuantGRU";
  const { units, numLayers, inputs, notes } = host;
  const direction = host.bidirectional ? "bidirectional" : "forward";
  const converted = { name, from, to, units, numLayers, direction, notes } as const;
  return { layer, fill, inputs, converted, skipped: null };
}

function newLayer(
  source: tf.layers.Layer,
  host: HostRecurrent,
  quantConfig: QuantConfig | null,
): RecurrentStack {
  const { units, numLayers, bidirectional, dropoutRate, recurrentActivation } = host;
  const { name, trainable, batchInputShape } = source;
  const args = {
    ...{ name, trainable, quantConfig, units, numLayers, bidirectional, recurrentActivation },
    ...{ dropoutRate, dropsFirstInput: dropoutRate > 0, returnSequences: host.returnSequences },
    ...((batchInputShape as tf.Shape | undefined) === undefined ? {} : { batchInputShape }),
  };
  return host.kind === "lstm" ? new QuantLSTM(args) : new QuantGRU({ ...args, resetAfter: false });
}

/** A layer that makes masks: the host hands the mask to all layers that run later. */
function maskingLayer(model: tf.LayersModel): tf.layers.Layer | null {
  for (const layer of model.layers) {
    const inner = layer instanceof tf.LayersModel ? maskingLayer(layer) : null;
    if (inner !== null) return inner;
    const className = layer.getClassName();
    if (className === "Masking") return layer;
    if (className === "Embedding" && layer.getConfig()["maskZero"] === true) return layer;
  }
  return null;
}

function reported(
  converted: readonly ConvertedRecurrent[],
  skipped: readonly SkippedRecurrent[],
): ConversionReport {
  const lines = [
    `converted ${converted.length}, left as they were ${skipped.length}`,
    ...converted.flatMap(({ name, from, to, units, numLayers, direction, notes }) => {
      const layers = numLayers === 1 ? "" : `${numLayers} layers of `;
      return [
        `${name}: ${from} -> ${to}, ${layers}${units} units, ${direction}`,
        ...notes.map((note) => `  in training: ${note}`),
      ];
    }),
    ...skipped.map(({ name, from, reason }) => `${name}: ${from} left as it was: ${reason}`),
  ];
  return { converted, skipped, text: lines.join("\n") };
}
