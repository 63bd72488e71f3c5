/** Compares the integer codes of two executors, quantizer by quantizer. Knows no engine. */

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

  /** Compares two runs of the same input; a code that only one side has counts as different. */
  add(expected: CodeRecording, received: CodeRecording): void {
    for (const quantizer of new Set([...expected.codes.keys(), ...received.codes.keys()])) {
      const left = joined(expected.codes.get(quantizer) ?? []);
      const right = joined(received.codes.get(quantizer) ?? []);
      this.#compare(quantizer, left, right);
    }
    this.runs++;
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

function joined(parts: readonly ArrayLike<number>[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
