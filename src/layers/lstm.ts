/** A long short-term memory over whole sequences. */
import { QuantLSTMCell } from "./lstm-cell.ts";
import type { RecurrentCellArgs } from "./recurrent-cell.ts";
import { RecurrentStack } from "./recurrent-stack.ts";

/** Layers of LSTM cells. */
export class QuantLSTM extends RecurrentStack {
  static readonly className = "QuantLSTM";

  protected override makeCell(args: RecurrentCellArgs): QuantLSTMCell {
    return new QuantLSTMCell(args);
  }
}
