/** Weights of PyTorch's nn.LSTM and nn.GRU for our layers. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError, UnknownNameError } from "../errors.ts";
import { assignCell, type CellPlace } from "./cell-weights.ts";
import { QuantGRU } from "./gru.ts";
import type { RecurrentStack } from "./recurrent-stack.ts";

/** A tensor of a `state_dict`, row-major. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

const PARTS = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] as const;

/**
 * Sets all kernels and biases of a QuantLSTM or QuantGRU from nn.LSTM's or nn.GRU's: weight_ih_l<k> is
 * [gates·units, inputs], transposed into `cells/<k>/fc_gate_x/kernel`; weight_hh_l<k> is that of
 * `fc_gate_h`; `_reverse` belongs to `cells_reverse/<k>`. The order of the gates is the same. A layer
 * made with `bias=False` gets zeros. Clips stay as they are: calibrate afterwards.
 *
 * @param layer built
 * @param weights by PyTorch's names
 * @param prefix of the names that belong to the layer, such as `rnn.`; others are left alone
 * @throws {UnknownNameError} for a name under the prefix that the layer has no place for;
 *   {@link ConfigError} for one that is missing; {@link ShapeError} for other sizes
 * @see PyTorch, torch.nn.LSTM and torch.nn.GRU, "Variables"
 */
export function assignTorchRecurrentWeights(
  layer: RecurrentStack,
  weights: ReadonlyMap<string, TorchTensor>,
  prefix = "",
): void {
  if (layer instanceof QuantGRU && !layer.resetAfter) {
    throw new ConfigError(
      `${layer.name}: expected resetAfter: true, which nn.GRU computes, received false. ` +
        `Make the layer with resetAfter: true.`,
    );
  }
  const given = [...weights.keys()].filter((name) => name.startsWith(prefix));
  const hasBias = given.some((name) => name.startsWith(`${prefix}bias_`));
  const places = placesOf(layer);
  const known = places.flatMap((place) => PARTS.map((part) => prefix + torchName(part, place)));
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const remedy =
      "Name the layer's part of the names as the prefix; projections have no place here.";
    throw new UnknownNameError(`weights for ${layer.name}`, "weight", unknown, known, remedy);
  }
  tf.tidy(() => {
    for (const place of places) {
      const read = (part: (typeof PARTS)[number]): tf.Tensor =>
        tensorOf(weights, prefix + torchName(part, place), layer.name);
      const bias = (part: "bias_ih" | "bias_hh"): tf.Tensor1D | null =>
        hasBias ? (read(part) as tf.Tensor1D) : null;
      assignCell(layer, place, {
        kernelX: tf.transpose(read("weight_ih")) as tf.Tensor2D,
        kernelH: tf.transpose(read("weight_hh")) as tf.Tensor2D,
        biasX: bias("bias_ih"),
        biasH: bias("bias_hh"),
      });
    }
  });
}

function placesOf({ args }: RecurrentStack): CellPlace[] {
  const directions = args.bidirectional ? (["forward", "backward"] as const) : ["forward" as const];
  return Array.from({ length: args.numLayers }, (_, index) =>
    directions.map((direction) => ({ index, direction })),
  ).flat();
}

function torchName(part: string, { index, direction }: CellPlace): string {
  return `${part}_l${index}${direction === "backward" ? "_reverse" : ""}`;
}

function tensorOf(
  weights: ReadonlyMap<string, TorchTensor>,
  name: string,
  layer: string,
): tf.Tensor {
  const found = weights.get(name);
  if (found === undefined) {
    throw new ConfigError(
      `weights for ${layer}: expected "${name}", received ${weights.size} others. ` +
        `Give all of the layer's weights, or make it with fewer layers or in one direction.`,
    );
  }
  return tf.tensor(Float32Array.from(found.data), [...found.shape], "float32");
}
