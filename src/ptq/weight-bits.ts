/** How many bits each weight gets where all together must keep to a size. */
import { ConfigError } from "../errors.ts";

/** What a weight takes in a file. */
export interface WeightSize {
  readonly elements: number;
  /** Bytes of its scales, whatever its bits. */
  readonly scaleBytes: number;
}

/** The size that weights must keep to; one of the two, or both. */
export interface BitBudget {
  /** Bytes of all quantized weights and their scales, codes packed without gaps, and of floatBytes. */
  readonly maxBytes?: number | undefined;
  /** Bytes of what stays in float [default: 0]. */
  readonly floatBytes?: number | undefined;
  /** Mean bits of a quantized weight's element. */
  readonly averageBits?: number | undefined;
}

const MOST_BITS = 8;
const FEWEST_BITS = 2;
/** The bits at which costs are measured: where rounding shows, and models still work. */
const MEASURED_BITS = 4;

/**
 * Bits of each weight, 2 to 8: from 8 everywhere, one bit less again and again for the weight that loses
 * least for what it saves, until the budget is kept. The cost of a weight at b bits is taken as its cost
 * at 4 bits times 4^(4 − b), as the squared rounding error grows.
 *
 * @param costs what each weight costs at 4 bits, in any unit that adds up
 * @throws {ConfigError} if even 2 bits everywhere are too many
 */
export function allocateBits(
  sizes: ReadonlyMap<string, WeightSize>,
  costs: ReadonlyMap<string, number>,
  budget: BitBudget,
): Map<string, number> {
  const bits = new Map([...sizes.keys()].map((path) => [path, MOST_BITS]));
  while (!keeps(sizes, bits, budget)) {
    let [next, leastLoss]: [string | null, number] = [null, Infinity];
    for (const [path, { elements }] of sizes) {
      const width = bits.get(path)!;
      if (width === FEWEST_BITS) continue;
      const loss =
        (costAt(costs.get(path)!, width - 1) - costAt(costs.get(path)!, width)) / elements;
      if (loss < leastLoss) [next, leastLoss] = [path, loss];
    }
    if (next === null) throw tooSmall(sizes, bits, budget);
    bits.set(next, bits.get(next)! - 1);
  }
  return bits;
}

/** Bytes of codes packed without gaps, and of scales. */
export function packedBytes(
  sizes: ReadonlyMap<string, WeightSize>,
  bits: ReadonlyMap<string, number>,
): number {
  let bytes = 0;
  for (const [path, { elements, scaleBytes }] of sizes) {
    bytes += Math.ceil((elements * bits.get(path)!) / 8) + scaleBytes;
  }
  return bytes;
}

/** Mean bits of an element. */
export function averageBits(
  sizes: ReadonlyMap<string, WeightSize>,
  bits: ReadonlyMap<string, number>,
): number {
  let [total, elements] = [0, 0];
  for (const [path, size] of sizes) {
    total += size.elements * bits.get(path)!;
    elements += size.elements;
  }
  return elements === 0 ? 0 : total / elements;
}

function costAt(cost: number, bits: number): number {
  // A cost of 0 would make all weights alike: the smallest then go first.
  return Math.max(cost, 1e-12) * 4 ** (MEASURED_BITS - bits);
}

function keeps(
  sizes: ReadonlyMap<string, WeightSize>,
  bits: ReadonlyMap<string, number>,
  { maxBytes = Infinity, averageBits: most = Infinity, floatBytes = 0 }: BitBudget,
): boolean {
  return packedBytes(sizes, bits) + floatBytes <= maxBytes && averageBits(sizes, bits) <= most;
}

function tooSmall(
  sizes: ReadonlyMap<string, WeightSize>,
  bits: ReadonlyMap<string, number>,
  budget: BitBudget,
): ConfigError {
  const asked = [
    budget.maxBytes === undefined ? [] : `max_bytes ${budget.maxBytes}`,
    budget.averageBits === undefined ? [] : `average_bits ${budget.averageBits}`,
  ].flat();
  const least = packedBytes(sizes, bits) + (budget.floatBytes ?? 0);
  return new ConfigError(
    `budget of the search: expected at least ${least} bytes and ${FEWEST_BITS} ` +
      `bits a weight, received ${asked.join(", ")}. Raise the budget, or use a smaller model.`,
  );
}
