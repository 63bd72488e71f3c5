/** Several scorers as one: the weighted mean of their probabilities. */
import { ConfigError } from "../errors.ts";
import type { StepScorer } from "./step-scorer.ts";

/**
 * A scorer whose probabilities are Σ weight · probability of its members; it owns none of them.
 * @param weights one for each member, positive; scaled to sum 1; all equal if left out
 * @throws {ConfigError} for no members, unequal vocabularies or unusable weights
 */
export function ensembleScorer(
  members: readonly StepScorer<unknown>[],
  weights?: readonly number[],
): StepScorer<readonly unknown[]> {
  const shares = ensembleShares(members, weights);
  return {
    vocabSize: members[0]!.vocabSize,
    start: (sources) => members.map((member) => member.start(sources)),
    step(states, ids) {
      const steps = members.map((member, m) => member.step(states[m], ids));
      const logProbs = meanLogProbs(
        steps.map((step) => step.logProbs),
        shares,
      );
      return { logProbs, state: steps.map((step) => step.state) };
    },
    gather: (states, rows) => members.map((member, m) => member.gather(states[m], rows)),
    dispose(states) {
      members.forEach((member, m) => {
        member.dispose(states[m]);
      });
    },
  };
}

function ensembleShares(
  members: readonly StepScorer<unknown>[],
  weights: readonly number[] | undefined,
): number[] {
  const sizes = [...new Set(members.map((member) => member.vocabSize))];
  if (sizes.length !== 1) {
    throw new ConfigError(
      `ensemble: expected members with one vocabulary, received ` +
        `${members.length === 0 ? "no members" : `vocabulary sizes ${sizes.join(", ")}`}. ` +
        `Choose models trained with the same vocabulary.`,
    );
  }
  const given = weights ?? members.map(() => 1);
  const total = given.reduce((sum, weight) => sum + weight, 0);
  const areUsable = given.every((weight) => weight >= 0) && total > 0 && Number.isFinite(total);
  if (given.length !== members.length || !areUsable) {
    throw new ConfigError(
      `ensemble_weights: expected ${members.length} non-negative numbers, received ` +
        `"${given.join(",")}". Give one weight for each model.`,
    );
  }
  return given.map((weight) => weight / total);
}

/** log Σ share · exp(logProb), the terms added in the order of the members. */
function meanLogProbs(logProbs: readonly Float32Array[], shares: readonly number[]): Float32Array {
  const size = logProbs[0]!.length;
  const mean = new Float64Array(size);
  for (let m = 0; m < logProbs.length; m++) {
    const of = logProbs[m]!;
    const share = shares[m]!;
    for (let i = 0; i < size; i++) mean[i]! += share * Math.exp(of[i]!);
  }
  return Float32Array.from(mean, Math.log);
}
