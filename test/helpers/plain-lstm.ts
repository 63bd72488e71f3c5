/** An LSTM in float64 as its formulas say, for gradients by finite differences. */
import type { Quantizer } from "./straight-through.ts";

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Row-major; hidden and cell both null, or [batch, units]. */
export interface PlainLstmInputs {
  readonly gates: Float64Array;
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly clips: Float64Array;
  readonly hidden: Float64Array | null;
  readonly cell: Float64Array | null;
}

export interface PlainLstmSize {
  readonly time: number;
  readonly batch: number;
  readonly units: number;
}

/** All hidden states, then all cells, [time, batch, units] each. */
export function plainLstm(
  inputs: PlainLstmInputs,
  { time, batch, units }: PlainLstmSize,
  bits: readonly number[],
  quantizer: Quantizer,
): { hidden: number[]; cells: number[] } {
  const { gates, kernel, bias, clips } = inputs;
  const on = (x: number, place: number): number => quantizer(x, clips[place]!, bits[place]!);
  const hidden: number[] = [];
  const cells: number[] = [];
  let [before, cell] = [inputs.hidden, inputs.cell] as [
    ArrayLike<number> | null,
    typeof inputs.cell,
  ];
  for (let t = 0; t < time; t++) {
    const next = new Float64Array(batch * units);
    const nextCell = new Float64Array(batch * units);
    for (let at = 0; at < batch * units; at++) {
      const [row, unit] = [Math.floor(at / units), at % units];
      const gate = (place: number): number => {
        const column = place * units + unit;
        let sum = gates[(t * batch + row) * 4 * units + column]! + bias[column]!;
        for (let k = 0; before !== null && k < units; k++) {
          sum += before[row * units + k]! * kernel[k * 4 * units + column]!;
        }
        return on(sum, place);
      };
      const [i, g, o] = [sigmoid(gate(0)), Math.tanh(gate(2)), sigmoid(gate(3))];
      const kept = cell === null ? 0 : sigmoid(gate(1)) * cell[at]!;
      nextCell[at] = on(kept + i * g, 4);
      next[at] = on(o * Math.tanh(nextCell[at]!), 5);
    }
    [before, cell] = [next, nextCell];
    hidden.push(...next);
    cells.push(...nextCell);
  }
  return { hidden, cells };
}
