import { describe, expect, it } from "vitest";
import { CodeRecording, ParityReport } from "../../src/runtime/parity.ts";

function recording(codes: Record<string, number[][]>): CodeRecording {
  const result = new CodeRecording();
  for (const [quantizer, parts] of Object.entries(codes)) {
    for (const part of parts) result.add(quantizer, Int32Array.from(part));
  }
  return result;
}

describe("ParityReport", () => {
  it("counts by quantizer, however the codes were cut", () => {
    const report = new ParityReport();
    report.add(recording({ a: [[1, 2], [3]], b: [[4]] }), recording({ b: [[4]], a: [[1, 2, 3]] }));
    expect(report).toMatchObject({ runs: 1, codes: 4, different: 0, firstDifference: null });
    expect(Object.fromEntries(report.byQuantizer)).toEqual({
      a: { codes: 3, different: 0 },
      b: { codes: 1, different: 0 },
    });
  });

  it("names the first difference", () => {
    const report = new ParityReport();
    report.add(recording({ a: [[1]] }), recording({ a: [[1]] }));
    report.add(recording({ a: [[1, 2]], b: [[3]] }), recording({ a: [[1, 5]], b: [[4]] }));
    expect(report).toMatchObject({ runs: 2, codes: 4, different: 2 });
    const first = { run: 1, quantizer: "a", index: 1, expected: 2, received: 5 };
    expect(report.firstDifference).toEqual(first);
  });

  it("counts codes that only one side has", () => {
    const report = new ParityReport();
    report.add(recording({ a: [[1, 2]] }), recording({ a: [[1]], b: [[7]] }));
    expect(report).toMatchObject({ codes: 3, different: 2 });
    expect(report.firstDifference).toMatchObject({ quantizer: "a", index: 1, received: NaN });
  });

  it("never takes NaN for equal", () => {
    const report = new ParityReport();
    const nan = new CodeRecording();
    nan.add("a", Float32Array.of(NaN));
    report.add(nan, nan);
    expect(report.different).toBe(1);
    report.addLogits(Float32Array.of(NaN, 1), Float32Array.of(NaN, 1));
    expect(report).toMatchObject({ logits: 2, differentLogits: 1 });
  });

  it("measures logits", () => {
    const report = new ParityReport();
    report.addLogits(Float32Array.of(1, 2, 0), Float32Array.of(1, 2.5, -0));
    expect(report).toMatchObject({ differentLogits: 1, largestLogitDifference: 0.5 });
  });
});
