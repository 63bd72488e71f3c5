/** Sets the weights of the cells of recurrent layers from elsewhere. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError, ShapeError } from "../errors.ts";
import type { RecurrentStack } from "./recurrent-stack.ts";

/** Gates lie side by side on the last axis: i, f, g, o of LSTMs; r, z, n of GRUs. */
export interface CellWeights {
  /** [inputs, gates·units]. */
  readonly kernelX: tf.Tensor2D;
  /** [units, gates·units]. */
  readonly kernelH: tf.Tensor2D;
  /** [gates·units]; null: zeros. */
  readonly biasX: tf.Tensor1D | null;
  readonly biasH: tf.Tensor1D | null;
}

/** Which cell of a layer. */
export interface CellPlace {
  /** Counted from 0. */
  readonly index: number;
  readonly direction: "forward" | "backward";
}

/**
 * Sets a cell's kernels and biases; clips stay as they are. The tensors remain the caller's.
 * @throws {ConfigError} if the layer is not built; {@link ShapeError} naming the first variable whose
 *   shape differs
 */
export function assignCell(layer: RecurrentStack, place: CellPlace, weights: CellWeights): void {
  if (!layer.built) {
    throw new ConfigError(
      `${layer.name}: expected a layer that is built, received one without variables. ` +
        `Apply it to an input, or call build([null, null, width]) first.`,
    );
  }
  const variables = new Map(layer.allLayers().flatMap((inner) => [...inner.namedVariables()]));
  const cells = place.direction === "forward" ? "cells" : "cells_reverse";
  const { kernelX, kernelH, biasX, biasH } = weights;
  const parts = { fc_gate_x: [kernelX, biasX], fc_gate_h: [kernelH, biasH] } as const;
  tf.tidy(() => {
    for (const [part, [kernel, bias]] of Object.entries(parts)) {
      const path = `${layer.name}/${cells}/${place.index}/${part}`;
      assign(variables, `${path}/kernel`, kernel);
      assign(variables, `${path}/bias`, bias ?? tf.zeros([kernel.shape[1]]));
    }
  });
}

function assign(variables: ReadonlyMap<string, tf.Variable>, name: string, value: tf.Tensor): void {
  const variable = variables.get(name)!;
  if (!tf.util.arraysEqual(variable.shape, value.shape)) {
    throw new ShapeError(
      `${name}: expected weights of shape [${variable.shape.join(", ")}], received ` +
        `[${value.shape.join(", ")}]. Make the layer with the sizes of the weights.`,
    );
  }
  variable.assign(value);
}
