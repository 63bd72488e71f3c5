/** Metrics that a search for quantization settings can go by: BLEU, nats a token, its exponential. */
export const SEARCH_METRICS = ["bleu", "loss", "perplexity"] as const;
/** One of {@link SEARCH_METRICS}. */
export type SearchMetric = (typeof SEARCH_METRICS)[number];
