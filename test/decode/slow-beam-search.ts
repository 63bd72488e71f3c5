/**
 * Beam search as the rules say it, one sentence, without any economy: all beams are scored in every
 * step, masks are added as −1e9, candidates are sorted.
 */
import type { ResolvedDecodeOptions } from "../../src/decode/decode-options.ts";

const MASK = -1e9;
const f = Math.fround;

interface SlowBeam {
  readonly prefix: readonly number[];
  readonly logProb: number;
  readonly length: number;
  readonly finished: boolean;
}

export interface SlowResult {
  readonly tokens: readonly number[];
  readonly score: number;
  readonly finished: boolean;
}

export function slowBeamSearch(
  logProbsOf: (prefix: readonly number[]) => Float32Array,
  sourceLength: number,
  o: ResolvedDecodeOptions,
): SlowResult[] {
  const penalty = (length: number) =>
    o.lengthPenalty < 0 ? f(1 / length) : f(f((5 + length) / 6) ** -o.lengthPenalty);
  const reach = sourceLength + o.extraDecodeLength;
  const most = Math.max(Math.min(reach, o.maximumDecodeLength ?? Infinity), o.minimumDecodeLength);
  const empty = { prefix: [], logProb: 0, length: 0, finished: false };
  let beams: SlowBeam[] = Array.from({ length: o.beamSize }, () => empty);
  for (let time = 0; time < most && !beams.every((beam) => beam.finished); time++) {
    const candidates: (SlowBeam & { score: number })[] = [];
    beams.forEach((beam, b) => {
      if (time === 0 && b > 0) return;
      const length = beam.length + (beam.finished ? 0 : 1);
      logProbsOf([o.special.bos, ...beam.prefix]).forEach((modelLogProb, token) => {
        let logProb = beam.finished ? (token === o.special.eos ? 0 : MASK) : modelLogProb;
        if (!o.enableUnk && token === o.special.unk) logProb = f(logProb + MASK);
        if (time < o.minimumDecodeLength - 1 && token === o.special.eos)
          logProb = f(logProb + MASK);
        const total = f(logProb + beam.logProb);
        candidates.push({
          prefix: [...beam.prefix, token],
          logProb: total,
          length,
          finished: token === o.special.eos,
          score: f(total * penalty(length)),
        });
      });
    });
    candidates.sort((a, b) => b.score - a.score); // stable: earlier beam, then lower token
    beams = candidates.slice(0, o.beamSize);
  }
  return beams
    .map((beam) => ({
      tokens: beam.prefix.slice(0, beam.length),
      score: f(beam.logProb * penalty(beam.length)),
      finished: beam.finished,
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, o.topK);
}
