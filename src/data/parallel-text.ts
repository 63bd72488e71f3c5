/** Two text files that are line by line translations of each other, as token ids in memory. */
import { DataError } from "../errors.ts";
import { readTextLines } from "./text-file.ts";

/** One sentence pair as token ids; both sides end with EOS. */
export interface PairExample {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/** One line of each file. */
interface LinePair {
  /** From 1. */
  readonly line: number;
  readonly source: string;
  readonly target: string;
}

/** Why a pair is not among the examples. */
export type DropReason = "empty source" | "empty target" | "source too long" | "target too long";

/** Pairs left out for one reason. */
export interface DroppedPairs {
  readonly reason: DropReason;
  readonly count: number;
  /** Line numbers (from 1) of the first few. */
  readonly firstLines: readonly number[];
}

/** What became of the lines of two files. */
export interface CorpusReport {
  readonly sourcePath: string;
  readonly targetPath: string;
  readonly lines: number;
  readonly kept: number;
  readonly dropped: readonly DroppedPairs[];
  /** Kept pairs of which a side was cut to its longest length. */
  readonly truncated: number;
}

/** Examples in the order of their lines. */
export interface ParallelCorpus {
  readonly examples: readonly PairExample[];
  /** Line number (from 1) of each example. */
  readonly lines: Int32Array;
  readonly report: CorpusReport;
}

/** How two files become examples. */
export interface ParallelTextOptions {
  readonly sourcePath: string;
  readonly targetPath: string;
  /** Token ids of a line, EOS last. */
  readonly encodeSource: (line: string) => Int32Array;
  readonly encodeTarget: (line: string) => Int32Array;
  /** Longest side in tokens, EOS included. */
  readonly maxSourceLength: number;
  readonly maxTargetLength: number;
  /** True cuts a long side (EOS stays) instead of dropping the pair. */
  readonly truncateSource?: boolean;
  readonly truncateTarget?: boolean;
}

const REASONS: readonly DropReason[] = [
  "empty source",
  "empty target",
  "source too long",
  "target too long",
];
const FIRST_LINES = 3;

/**
 * Lines of both files side by side.
 * @throws {DataError} if the files have different numbers of lines, or as `readTextLines`
 */
async function* readLinePairs(
  sourcePath: string,
  targetPath: string,
): AsyncGenerator<LinePair, void, undefined> {
  const sources = readTextLines(sourcePath);
  const targets = readTextLines(targetPath);
  try {
    for (let line = 1; ; line++) {
      const [source, target] = await Promise.all([sources.next(), targets.next()]);
      if (source.done === true && target.done === true) return;
      if (source.done === true || target.done === true) {
        const sourceLines = line - 1 + (source.done === true ? 0 : 1 + (await rest(sources)));
        const targetLines = line - 1 + (target.done === true ? 0 : 1 + (await rest(targets)));
        throw new DataError(
          `parallel text: expected as many lines in both files, received ${sourceLines} in ` +
            `${sourcePath} and ${targetLines} in ${targetPath}. ` +
            "Line n of one file must translate line n of the other.",
        );
      }
      yield { line, source: source.value, target: target.value };
    }
  } finally {
    await Promise.all([sources.return(), targets.return()]);
  }
}

/**
 * Reads two files, encodes each line and keeps the pairs that can be trained on.
 * @throws {DataError} as {@link readLinePairs}, and if no pair is left
 */
export async function readParallelText(options: ParallelTextOptions): Promise<ParallelCorpus> {
  const { sourcePath, targetPath } = options;
  const examples: PairExample[] = [];
  const lines: number[] = [];
  const dropped = new Map<DropReason, number[]>(REASONS.map((reason) => [reason, []]));
  let total = 0;
  let truncated = 0;
  for await (const pair of readLinePairs(sourcePath, targetPath)) {
    total++;
    const whole = {
      source: options.encodeSource(pair.source),
      target: options.encodeTarget(pair.target),
    };
    const example = cut(whole, options);
    const reason = dropReason(example, options);
    if (reason !== null) {
      dropped.get(reason)!.push(pair.line);
      continue;
    }
    if (example.source !== whole.source || example.target !== whole.target) truncated++;
    examples.push(example);
    lines.push(pair.line);
  }
  const report: CorpusReport = {
    sourcePath,
    targetPath,
    lines: total,
    kept: examples.length,
    dropped: [...dropped]
      .filter(([, at]) => at.length > 0)
      .map(([reason, at]) => ({ reason, count: at.length, firstLines: at.slice(0, FIRST_LINES) })),
    truncated,
  };
  if (examples.length === 0) throw nothingLeft(report);
  return { examples, lines: Int32Array.from(lines), report };
}

/** One line about a corpus, such as `a.en, a.de: 98 of 100 pairs; 2 target too long (lines 3, 7)`. */
export function describeCorpus(report: CorpusReport): string {
  const parts = report.dropped.map(({ reason, count, firstLines }) => {
    const more = count > firstLines.length ? " …" : "";
    const noun = count === 1 ? "line" : "lines";
    return `${count} ${reason} (${noun} ${firstLines.join(", ")}${more})`;
  });
  if (report.truncated > 0) parts.push(`${report.truncated} cut to the longest length`);
  const files = `${report.sourcePath}, ${report.targetPath}`;
  return [`${files}: ${report.kept} of ${report.lines} pairs`, ...parts].join("; ");
}

function cut(example: PairExample, options: ParallelTextOptions): PairExample {
  const { source, target } = example;
  return {
    source: options.truncateSource === true ? cutTo(source, options.maxSourceLength) : source,
    target: options.truncateTarget === true ? cutTo(target, options.maxTargetLength) : target,
  };
}

/** The first ids and the last one, which is EOS; the array itself if it is short enough. */
function cutTo(ids: Int32Array, length: number): Int32Array {
  if (ids.length <= length) return ids;
  const result = ids.slice(0, length);
  result[length - 1] = ids.at(-1)!;
  return result;
}

function dropReason(example: PairExample, options: ParallelTextOptions): DropReason | null {
  // EOS alone is an empty sentence.
  if (example.source.length <= 1) return "empty source";
  if (example.target.length <= 1) return "empty target";
  if (example.source.length > options.maxSourceLength) return "source too long";
  if (example.target.length > options.maxTargetLength) return "target too long";
  return null;
}

function nothingLeft(report: CorpusReport): DataError {
  const why = report.lines === 0 ? "empty files" : `0 (${describeCorpus(report)})`;
  return new DataError(
    `parallel text: expected at least one pair in ${report.sourcePath} and ${report.targetPath}, ` +
      `received ${why}. Check the files and max_src_len, max_trg_len.`,
  );
}

async function rest(lines: AsyncGenerator<string, void, undefined>): Promise<number> {
  let count = 0;
  while ((await lines.next()).done !== true) count++;
  return count;
}
