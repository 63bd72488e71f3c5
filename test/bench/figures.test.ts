import { describe, expect, it } from "vitest";
import { median, pairedRatio, quantile, spreadOf } from "../../bench/statistics.ts";
import { figure, markdownTable, mebibytes, number, text } from "../../bench/tables.ts";

describe("figures of repeated measurements", () => {
  it.each([
    [[3], 3],
    [[4, 1, 3], 3],
    [[10, 2, 9, 1], 5.5],
  ])("the median of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it.each([
    [[7], 0.25, 7],
    [[5, 1, 4, 2, 3], 0.25, 2],
    [[1, 2, 3, 4], 0.75, 3.25],
  ])("of %j, the part %d lies below %d", (values, part, expected) => {
    expect(quantile(values, part)).toBe(expected);
  });

  it("spans from the least to the largest", () => {
    expect(spreadOf([5, 1, 9, 2])).toEqual({ median: 3.5, min: 1, max: 9 });
  });

  it("compares each turn with the one beside it", () => {
    // The machine is ten times slower in the second turn: the ratio of medians would be 2.5.
    expect(pairedRatio([2, 20, 5], [1, 10, 2])).toEqual({ median: 2, min: 2, max: 2.5 });
  });

  it("leaves out turns that one of both lacks", () => {
    expect(pairedRatio([2, 4, 100], [1, 1])).toEqual({ median: 3, min: 2, max: 4 });
  });
});

describe("tables", () => {
  it("are Markdown, with numbers to the right", () => {
    const rows = [
      ["plain", "1,234"],
      ["a", "5"],
    ];
    expect(markdownTable([text("variant"), number("ms")], rows)).toBe(
      [
        "| variant |    ms |",
        "| ------- | ----: |",
        "| plain   | 1,234 |",
        "| a       |     5 |",
      ].join("\n"),
    );
  });

  it.each([
    [1234.5, "1,235"],
    [56.72, "56.7"],
    [8.904, "8.90"],
    [0, "0.00"],
    [0.01234, "0.0123"],
    [NaN, "–"],
  ])("write %d as %s", (value, expected) => {
    expect(figure(value)).toBe(expected);
  });

  it("give sizes in MiB", () => {
    expect([mebibytes(3 * 2 ** 20), mebibytes(null)]).toEqual(["3", "–"]);
  });
});
