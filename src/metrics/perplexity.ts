/** Perplexity from summed negative log-likelihoods. */
import { DataError } from "../errors.ts";

/** How well a model predicts tokens. */
export interface Perplexity {
  /** Mean negative log-likelihood, in nats a token. */
  readonly natsPerToken: number;
  /** exp(natsPerToken); 1 is a perfect prediction. */
  readonly perplexity: number;
}

/**
 * exp of the mean negative log-likelihood of a token.
 *
 * @param negativeLogLikelihood sum over the tokens, in nats, without label smoothing
 * @param tokens how many were predicted, ends of sequences included
 * @throws {DataError} for no tokens
 */
export function perplexityOf(negativeLogLikelihood: number, tokens: number): Perplexity {
  if (!(tokens > 0)) {
    throw new DataError(
      `perplexity: expected at least one token, received ${tokens}. Give a text with lines.`,
    );
  }
  const natsPerToken = negativeLogLikelihood / tokens;
  return { natsPerToken, perplexity: Math.exp(natsPerToken) };
}
