/** The mean of several checkpoints. */
import { CheckpointError } from "../errors.ts";
import type { Weight, Weights } from "./weights.ts";

/**
 * The mean of each weight and clip, summed in float64 in the order given, rounded once.
 * @throws {CheckpointError} if there is nothing to average, or names or shapes differ
 */
export function averageWeights(members: readonly Weights[]): Weights {
  const first = members[0];
  if (first === undefined) {
    throw new CheckpointError(
      "average: expected at least one checkpoint, received none. Name the checkpoints.",
    );
  }
  members.forEach((member, position) => {
    checkAlike(first, member, position);
  });
  const mean = new Map<string, Weight>();
  for (const [name, { shape, data }] of first) {
    const sum = new Float64Array(data.length);
    for (const member of members) {
      const values = member.get(name)!.data;
      for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
    }
    mean.set(name, { shape, data: Float32Array.from(sum, (total) => total / members.length) });
  }
  return mean;
}

function checkAlike(first: Weights, member: Weights, position: number): void {
  const names = new Set([...first.keys(), ...member.keys()]);
  for (const name of names) {
    const expected = first.get(name)?.shape.join(", ");
    const received = member.get(name)?.shape.join(", ");
    if (expected === received) continue;
    const shapeOf = (shape: string | undefined): string =>
      shape === undefined ? "no such tensor" : `shape [${shape}]`;
    throw new CheckpointError(
      `average, checkpoint ${position + 1}, "${name}": expected ${shapeOf(expected)} as in the ` +
        `first, received ${shapeOf(received)}. Average checkpoints of one model.`,
    );
  }
}
