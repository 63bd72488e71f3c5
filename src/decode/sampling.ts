/** Sampling from the k most probable tokens, or from the smallest set that reaches mass p. */
import { RandomStream } from "../core/random.ts";
import { CheckpointError } from "../errors.ts";
import { checkSources, decodeLimit, MOST_SAMPLES, resolveDecodeOptions } from "./decode-options.ts";
import type { DecodeOptions, ResolvedDecodeOptions } from "./decode-options.ts";
import { type Hypothesis, lengthFactor } from "./hypothesis.ts";
import type { StepScorer } from "./step-scorer.ts";

/**
 * Draws `sampleNum` outputs for each source. UNK is masked unless enabled, EOS before the minimum
 * length; what remains is scaled to sum 1. The score is that of the model itself, as in beam search.
 * @param indices places of the sources in their corpus: each place and copy has its own random
 *   stream, so results do not depend on the batching
 */
export function sampleOutputs<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: DecodeOptions,
  indices: readonly number[] = sources.map((_, i) => i),
): Hypothesis[][] {
  const o = resolveDecodeOptions({ ...options, method: "sampling" }, scorer.vocabSize);
  checkSources(sources, scorer.vocabSize);
  if (sources.length === 0) return [];
  const copies = sources.flatMap((source, i) =>
    Array.from({ length: o.sampleNum }, (_, copy) => {
      const random = new RandomStream({ seed: o.seed, stream: indices[i]! * MOST_SAMPLES + copy });
      return new SampledOutput(o, decodeLimit(source.length, o), random);
    }),
  );
  let state = scorer.start(sources);
  if (o.sampleNum > 1) {
    const rows = sources.flatMap((_, i) => Array<number>(o.sampleNum).fill(i));
    state = scorer.gather(state, Int32Array.from(rows));
  }
  let live = copies;
  for (;;) {
    const step = scorer.step(
      state,
      Int32Array.from(live, (output) => output.lastToken),
    );
    try {
      live.forEach((output, row) => {
        const start = row * scorer.vocabSize;
        output.advance(step.logProbs.subarray(start, start + scorer.vocabSize));
      });
    } catch (error) {
      scorer.dispose(step.state);
      throw error;
    }
    const rows = live.flatMap((output, row) => (output.isDone ? [] : [row]));
    if (rows.length === 0) {
      scorer.dispose(step.state);
      break;
    }
    const isWhole = rows.length === live.length;
    state = isWhole ? step.state : scorer.gather(step.state, Int32Array.from(rows));
    live = live.filter((output) => !output.isDone);
  }
  return sources.map((_, i) =>
    copies.slice(i * o.sampleNum, (i + 1) * o.sampleNum).map((output) => output.result()),
  );
}

/** One output while it is drawn. */
class SampledOutput {
  readonly #options: ResolvedDecodeOptions;
  readonly #limit: number;
  readonly #random: RandomStream;
  readonly #tokens: number[] = [];
  #logProb = 0;

  constructor(options: ResolvedDecodeOptions, limit: number, random: RandomStream) {
    this.#options = options;
    this.#limit = limit;
    this.#random = random;
  }

  get lastToken(): number {
    return this.#tokens.at(-1) ?? this.#options.special.bos;
  }

  get #isFinished(): boolean {
    return this.#tokens.at(-1) === this.#options.special.eos;
  }

  get isDone(): boolean {
    return this.#isFinished || this.#tokens.length >= this.#limit;
  }

  /** Draws the next token. @param logProbs [vocabSize] */
  advance(logProbs: Float32Array): void {
    const { special, enableUnk, minimumDecodeLength, temperature } = this.#options;
    const logits = Float64Array.from(logProbs, (logProb) => logProb / temperature);
    if (!enableUnk) logits[special.unk] = -Infinity;
    if (this.#tokens.length < minimumDecodeLength - 1) logits[special.eos] = -Infinity;
    const token = drawToken(logits, this.#options, this.#random.uniform());
    if (token < 0) {
      throw new CheckpointError(
        `decoding: expected log-probabilities, received NaN or −Infinity for every token. ` +
          `The model's weights are probably not finite; inspect the checkpoint.`,
      );
    }
    this.#tokens.push(token);
    this.#logProb = Math.fround(this.#logProb + logProbs[token]!);
  }

  result(): Hypothesis {
    const factor = lengthFactor(this.#tokens.length, this.#options.lengthPenalty);
    return {
      tokens: Int32Array.from(this.#tokens),
      score: Math.fround(this.#logProb * factor),
      logProb: this.#logProb,
      finished: this.#isFinished,
    };
  }
}

/**
 * The token whose share of the kept mass holds `uniform` (0 to 1), tokens in order of their id; −1
 * where no token has any mass.
 */
function drawToken(
  logits: Float64Array,
  { samplingTopK, samplingTopP }: ResolvedDecodeOptions,
  uniform: number,
): number {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const masses = logits.map((logit) => Math.exp(logit - highest));
  const least = leastMass(masses, samplingTopK, samplingTopP);
  let total = 0;
  for (const mass of masses) if (mass >= least) total += mass;
  let rest = uniform * total;
  let last = -1;
  for (let token = 0; token < masses.length; token++) {
    const mass = masses[token]!;
    if (!(mass >= least) || mass === 0) continue; // NaN is no mass
    last = token;
    rest -= mass;
    if (rest < 0) break;
  }
  return last;
}

/** Smallest mass that is kept; ties with it are kept too. */
function leastMass(masses: Float64Array, topK: number, topP: number): number {
  if (topK === 0 && topP === 1) return 0;
  const sorted = masses.toSorted().reverse();
  if (topK > 0) return sorted[Math.min(topK, sorted.length) - 1]!;
  const goal = topP * sorted.reduce((a, b) => a + b);
  let sum = 0;
  for (const mass of sorted) {
    sum += mass;
    if (sum >= goal) return mass;
  }
  return 0;
}
