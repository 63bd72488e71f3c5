/** Takes the parts of a parsed export one by one, by checkpoint name; what is left over is an error. */
import type { LayerNormWeights } from "../../core/layer-norm.ts";
import { FormatError } from "../../errors.ts";
import type { FloatTensor, Int8Model, Int8Weight } from "../../formats/int8-model.ts";
import { ActivationQuantizer } from "./coded.ts";
import { type Linear, type ProductWeight, productWeight } from "./product.ts";

/** A source of layers' parts that knows what has been taken. */
export class ExportParts {
  readonly #model: Int8Model;
  readonly #left: Set<string>;
  readonly #quantizers = new Map<string, ActivationQuantizer>();

  /** @throws {FormatError} for roundings that the executor does not have */
  constructor(model: Int8Model) {
    refuseOthers(model);
    this.#model = model;
    const { weights, floats, record } = model;
    const activations = Object.keys(record.activations);
    this.#left = new Set([...weights.keys(), ...floats.keys(), ...activations]);
  }

  /** @throws {FormatError} for parts that no layer has taken */
  end(): void {
    const name = this.#left.values().next().value;
    if (name === undefined) return;
    throw fault(name, "no such tensor or quantizer in this architecture", "one");
  }

  quantizer(path: string): ActivationQuantizer {
    let quantizer = this.#quantizers.get(path);
    if (quantizer === undefined) {
      const record = this.#model.record.activations[path];
      if (record === undefined) {
        throw fault(path, "a quantized activation", "a float one (quantization was off for it)");
      }
      quantizer = new ActivationQuantizer(path, record, this.#model.record.rounding);
      this.#quantizers.set(path, quantizer);
    }
    this.#left.delete(path);
    return quantizer;
  }

  /** A quantized matrix of a known shape; null leaves the number of rows open. */
  matrix(name: string, [rows, columns]: readonly [number | null, number]): Int8Weight {
    const weight = this.#weight(name);
    const { shape } = weight;
    if (shape.length !== 2 || (rows ?? shape[0]) !== shape[0] || columns !== shape[1]) {
      throw fault(name, `shape [${rows ?? "positions"}, ${columns}]`, `[${shape.join(", ")}]`);
    }
    return weight;
  }

  /** @param size expected number of elements */
  floats(name: string, size: number): Float32Array {
    const tensor: FloatTensor | undefined = this.#model.floats.get(name);
    if (tensor?.data.length !== size) {
      const received = tensor === undefined ? "none" : `shape [${tensor.shape.join(", ")}]`;
      throw fault(name, `a float tensor of ${size} elements`, received);
    }
    this.#left.delete(name);
    return tensor.data;
  }

  norm(path: string, size: number, epsilon: number): LayerNormWeights {
    const gamma = this.floats(`${path}/gamma`, size);
    return { gamma, beta: this.floats(`${path}/beta`, size), epsilon };
  }

  /**
   * A dense layer's product.
   * @param sizes inputs and outputs
   * @param input the quantizer of its input
   */
  linear(path: string, sizes: readonly [number, number], input: ActivationQuantizer): Linear {
    const name = `${path}/kernel`;
    const weight = this.matrix(name, sizes);
    return {
      product: `${path}/product`,
      weight: productWeight(name, weight, "kernel", input.maxAbsCode),
      bias: this.#model.floats.has(`${path}/bias`) ? this.floats(`${path}/bias`, sizes[1]) : null,
    };
  }

  /** A vector of weights that enter a product as one column. @param input as for {@link linear} */
  column(name: string, size: number, input: ActivationQuantizer): ProductWeight {
    const weight = this.#weight(name);
    if (weight.shape.join() !== String(size)) {
      throw fault(name, `shape [${size}]`, `[${weight.shape.join(", ")}]`);
    }
    const column = { ...weight, shape: [size, 1] };
    return productWeight(name, column, "kernel", input.maxAbsCode);
  }

  /** A table's product with its transpose: logits. @param sizes rows and width of the table */
  logits(path: string, sizes: readonly [number, number], input: ActivationQuantizer): Linear {
    const name = `${path}/weights`;
    const weight = this.matrix(name, sizes);
    return {
      product: `${path}/logits`,
      weight: productWeight(name, weight, "table", input.maxAbsCode),
      bias: this.floats(`${path}/bias`, sizes[0]),
    };
  }

  #weight(name: string): Int8Weight {
    const weight = this.#model.weights.get(name);
    if (weight === undefined) {
      const isFloat = this.#model.floats.has(name);
      throw fault(name, "a quantized weight", isFloat ? "a float one" : "none");
    }
    this.#left.delete(name);
    return weight;
  }
}

function refuseOthers({ record }: Int8Model): void {
  const [live] = Object.keys(record.dynamic_activations);
  if (live !== undefined) throw fault(live, "a range of its own", "one of each tensor (dynamic)");
  const [half] = record.float16;
  if (half !== undefined) throw fault(half, "codes or float32", "half precision (float16)");
  if (record.placement === "none") return;
  throw fault("placement", "none: products rounded once", record.placement);
}

function fault(name: string, expected: string, received: string): FormatError {
  return new FormatError(
    `int8 export, "${name}": expected ${expected}, received ${received}. ` +
      `The reference executor runs models whose products are all quantized; export such a model.`,
  );
}
