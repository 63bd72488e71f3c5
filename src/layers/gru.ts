/** Gated recurrent units over whole sequences. */
import type * as tf from "@tensorflow/tfjs";
import { QuantGRUCell } from "./gru-cell.ts";
import type { RecurrentCellArgs } from "./recurrent-cell.ts";
import { RecurrentStack, type RecurrentStackArgs } from "./recurrent-stack.ts";

export interface QuantGRUArgs extends RecurrentStackArgs {
  /** See `QuantGRUCellArgs` [default: true, as PyTorch]. */
  readonly resetAfter?: boolean;
}

/** Layers of GRU cells. */
export class QuantGRU extends RecurrentStack {
  static readonly className = "QuantGRU";
  readonly resetAfter: boolean;

  constructor(args: QuantGRUArgs) {
    super(args);
    this.resetAfter = args.resetAfter ?? true;
  }

  protected override makeCell(args: RecurrentCellArgs): QuantGRUCell {
    return new QuantGRUCell({ ...args, resetAfter: this.resetAfter });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), resetAfter: this.resetAfter };
  }
}
