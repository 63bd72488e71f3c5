/** Copies models of tf.layers, with other layers in the place of some. */
import * as tf from "@tensorflow/tfjs";

type Layer = tf.layers.Layer;

/** Makes the layer that takes the place of one, without weights yet; null keeps a copy of it. */
export type Replace = (layer: Layer) => Replacement | null;

/** A new layer, and what gives it its weights once it is built. */
export interface Replacement {
  readonly layer: Layer;
  readonly fill: () => void;
}

/**
 * A new model of the same graph, names and weights. Layers are copied by their configuration; shared
 * layers stay shared, models inside are copied likewise. The given model stays as it is. The copy is
 * not compiled.
 *
 * @param replace is asked once for each layer that is no model
 */
export function copyModel(model: tf.LayersModel, replace: Replace): tf.LayersModel {
  return new ModelCopy(replace).of(model);
}

class ModelCopy {
  readonly #replace: Replace;
  readonly #layers = new Map<Layer, Layer>();
  readonly #tensors = new Map<tf.SymbolicTensor, tf.SymbolicTensor>();

  constructor(replace: Replace) {
    this.#replace = replace;
  }

  of(model: tf.LayersModel): tf.LayersModel {
    const fills: (() => void)[] = [];
    const copy =
      model instanceof tf.Sequential ? this.#chain(model, fills) : this.#graph(model, fills);
    for (const fill of fills) fill();
    return copy;
  }

  #chain(model: tf.Sequential, fills: (() => void)[]): tf.Sequential {
    const layers = model.layers.map((layer) => this.#layer(layer, fills));
    return tf.sequential({ name: model.name, layers });
  }

  #graph(model: tf.LayersModel, fills: (() => void)[]): tf.LayersModel {
    const [inputs, outputs] = [model.inputs, model.outputs].map((tensors) =>
      tensors.map((tensor) => this.#tensor(tensor, fills)),
    ) as [tf.SymbolicTensor[], tf.SymbolicTensor[]];
    return tf.model({ name: model.name, inputs, outputs });
  }

  #tensor(tensor: tf.SymbolicTensor, fills: (() => void)[]): tf.SymbolicTensor {
    const known = this.#tensors.get(tensor);
    if (known !== undefined) return known;
    const { sourceLayer, nodeIndex } = tensor;
    if (sourceLayer.getClassName() === "InputLayer") {
      const { shape, dtype } = tensor;
      const input = tf.input({ batchShape: shape, dtype, name: sourceLayer.name });
      this.#tensors.set(tensor, input);
      return input;
    }
    const { inputTensors, outputTensors } = sourceLayer.inboundNodes[nodeIndex]!;
    const inputs = inputTensors.map((input) => this.#tensor(input, fills));
    const layer = this.#layer(sourceLayer, fills);
    const outputs = [layer.apply(inputs.length === 1 ? inputs[0]! : inputs)].flat();
    outputTensors.forEach((old, i) => {
      this.#tensors.set(old, outputs[i] as tf.SymbolicTensor);
    });
    return this.#tensors.get(tensor)!;
  }

  #layer(layer: Layer, fills: (() => void)[]): Layer {
    let copy = this.#layers.get(layer);
    if (copy !== undefined) return copy;
    if (layer instanceof tf.LayersModel) {
      copy = this.of(layer);
    } else {
      const replacement = this.#replace(layer) ?? copyOf(layer);
      copy = replacement.layer;
      fills.push(replacement.fill);
    }
    this.#layers.set(layer, copy);
    return copy;
  }
}

function copyOf(original: Layer): Replacement {
  const layerClass = original.constructor as tf.serialization.SerializableConstructor<Layer>;
  const layer = layerClass.fromConfig(layerClass, original.getConfig());
  const fill = (): void => {
    layer.setWeights(original.getWeights());
  };
  return { layer, fill };
}
