/**
 * Compares two executors of one quantized model: the integer codes of every activation, quantizer by
 * quantizer, and the logits. Knows no engine.
 */

/** Codes of one run by quantizer, in the order in which they came. */
export class CodeRecording {
  readonly codes = new Map<string, ArrayLike<number>[]>();

  /** @param codes kept, not copied */
  add(quantizer: string, codes: ArrayLike<number>): void {
    const parts = this.codes.get(quantizer);
    if (parts === undefined) this.codes.set(quantizer, [codes]);
    else parts.push(codes);
  }
}

/** One sentence pair, teacher-forced. */
export interface ParityExample {
  /** Ids with EOS. */
  readonly source: Int32Array;
  /** BOS, then the target without its last token. */
  readonly targetInput: Int32Array;
}

/** An executor that reports its codes. */
export interface TracedExecutor {
  /** @returns teacher-forced logits [time, vocabSize] of one sentence */
  logits(
    source: Int32Array,
    targetInput: Int32Array,
    trace: { onCodes(quantizer: string, codes: ArrayLike<number>): void },
  ): Float32Array;
}

/** Counts of one quantizer. */
export interface QuantizerParity {
  codes: number;
  different: number;
}

/** The first code that differs, in the order of the expected run. */
export interface CodeDifference {
  /** Which recording it was, from 0. */
  readonly run: number;
  readonly quantizer: string;
  /** Place among the quantizer's codes of that run. */
  readonly index: number;
  /** NaN where this side has no code. */
  readonly expected: number;
  readonly received: number;
}

/** What a comparison has found so far. */
export class ParityReport {
  runs = 0;
  codes = 0;
  different = 0;
  readonly byQuantizer = new Map<string, QuantizerParity>();
  firstDifference: CodeDifference | null = null;
  /** float32 logits compared, those that differ, and by how much at most. */
  logits = 0;
  differentLogits = 0;
  largestLogitDifference = 0;

  /** Compares two runs of the same input; a code that only one side has counts as different. */
  add(expected: CodeRecording, received: CodeRecording): void {
    for (const quantizer of new Set([...expected.codes.keys(), ...received.codes.keys()])) {
      const left = joined(expected.codes.get(quantizer) ?? []);
      const right = joined(received.codes.get(quantizer) ?? []);
      this.#compare(quantizer, left, right);
    }
    this.runs++;
  }

  /** Compares the logits of two runs of the same input, bit for bit but for the sign of zero. */
  addLogits(expected: Float32Array, received: Float32Array): void {
    const size = Math.max(expected.length, received.length);
    for (let i = 0; i < size; i++) {
      if (expected[i] === received[i]) continue;
      const difference = Math.abs((expected[i] ?? NaN) - (received[i] ?? NaN));
      this.differentLogits++;
      this.largestLogitDifference = Math.max(this.largestLogitDifference, difference);
    }
    this.logits += size;
  }

  #compare(quantizer: string, expected: Float64Array, received: Float64Array): void {
    const codes = Math.max(expected.length, received.length);
    let different = 0;
    for (let i = 0; i < codes; i++) {
      if (expected[i] === received[i]) continue;
      different++;
      this.firstDifference ??= {
        run: this.runs,
        quantizer,
        index: i,
        expected: expected[i] ?? NaN,
        received: received[i] ?? NaN,
      };
    }
    const counts = this.byQuantizer.get(quantizer) ?? { codes: 0, different: 0 };
    counts.codes += codes;
    counts.different += different;
    this.byQuantizer.set(quantizer, counts);
    this.codes += codes;
    this.different += different;
  }
}

/**
 * Runs both executors on each example and compares them.
 * @param onProgress called after each example; may return a promise, which is awaited
 */
export async function checkParity(
  expected: TracedExecutor,
  received: TracedExecutor,
  examples: readonly ParityExample[],
  onProgress?: (done: number, total: number) => void | Promise<void>,
): Promise<ParityReport> {
  const report = new ParityReport();
  for (const [i, example] of examples.entries()) {
    const [left, leftLogits] = record(expected, example);
    const [right, rightLogits] = record(received, example);
    report.add(left, right);
    report.addLogits(leftLogits, rightLogits);
    await onProgress?.(i + 1, examples.length);
  }
  return report;
}

function record(
  executor: TracedExecutor,
  { source, targetInput }: ParityExample,
): [CodeRecording, Float32Array] {
  const recording = new CodeRecording();
  const logits = executor.logits(source, targetInput, {
    onCodes: (quantizer, codes) => {
      recording.add(quantizer, codes);
    },
  });
  return [recording, logits];
}

function joined(parts: readonly ArrayLike<number>[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
