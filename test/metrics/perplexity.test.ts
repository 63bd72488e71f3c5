import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.ts";
import { perplexityOf } from "../../src/metrics/perplexity.ts";

describe("perplexityOf", () => {
  it("is the number of equally likely choices", () => {
    const { natsPerToken, perplexity } = perplexityOf(10 * Math.log(8), 10);
    expect(natsPerToken).toBeCloseTo(Math.log(8), 12);
    expect(perplexity).toBeCloseTo(8, 12);
    expect(perplexityOf(0, 3).perplexity).toBe(1);
  });

  it("refuses no tokens", () => {
    expect(() => perplexityOf(0, 0)).toThrow(DataError);
  });
});
