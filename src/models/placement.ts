/** Which matrix products a model computes, and in which precision. */
import * as tf from "@tensorflow/tfjs";
import { withPass, type ProductRecord, type TensorGrid } from "../quant/pass.ts";
import { shortPath } from "./layer-paths.ts";
import type { Seq2SeqModel } from "./model.ts";

/** One operand of a product. */
export interface PlacedOperand {
  /** Short path of its quantizer. */
  readonly quantizer: string;
  readonly bits: number;
}

/** One product; null for an operand in float. */
export interface PlacedProduct {
  /** Short path of the layer and the product's name in it. */
  readonly product: string;
  readonly left: PlacedOperand | null;
  readonly right: PlacedOperand | null;
}

/** Every product of a forward pass in order, seen by running one over two tokens. */
export function placementReport(model: Seq2SeqModel): PlacedProduct[] {
  const records: ProductRecord[] = [];
  const onProduct = (record: ProductRecord): void => {
    records.push(record);
  };
  withPass({ products: "codes", onProduct }, (pass) => {
    tf.tidy(() => {
      const ids = tf.zeros<tf.Rank.R2>([1, 2], "int32");
      model.logits(ids, tf.tensor1d([2], "int32"), ids, pass);
    });
  });
  return records.map(({ product, left, right }) => ({
    product: shortPath(product),
    left: operand(left),
    right: operand(right),
  }));
}

function operand(grid: TensorGrid | null): PlacedOperand | null {
  return grid === null ? null : { quantizer: shortPath(grid.quantizer), bits: grid.bits };
}
