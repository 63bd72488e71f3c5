import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  describeCorpus,
  readParallelText,
  type ParallelTextOptions,
} from "../../src/data/parallel-text.ts";
import { DataError } from "../../src/errors.ts";

const directory = mkdtempSync(join(tmpdir(), "parallel-text-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const EOS = 99;
const encode = (line: string): Int32Array =>
  Int32Array.from([...line.split(" ").filter((w) => w !== "").map((w) => w.length), EOS]);

function options(source: string, target: string): ParallelTextOptions {
  const sourcePath = join(directory, "a.en");
  const targetPath = join(directory, "a.de");
  writeFileSync(sourcePath, source);
  writeFileSync(targetPath, target);
  const maxSourceLength = 4;
  const maxTargetLength = 3;
  return {
    sourcePath,
    targetPath,
    encodeSource: encode,
    encodeTarget: encode,
    maxSourceLength,
    maxTargetLength,
  };
}

describe("readParallelText", () => {
  it("keeps usable pairs in order and reports the others by reason", async () => {
    const source = "a bb ccc\n\n a\na b c d\nx y\nx\n \nq\n";
    const target = "a\nb\n \nb\na b c\n x yy\nz\nq w e\n";
    const { examples, lines, report } = await readParallelText(options(source, target));
    expect([...lines]).toEqual([1, 6]);
    expect(examples.map((e) => [[...e.source], [...e.target]])).toEqual([
      [
        [1, 2, 3, EOS],
        [1, EOS],
      ],
      [
        [1, EOS],
        [1, 2, EOS],
      ],
    ]);
    expect(report).toMatchObject({ lines: 8, kept: 2, truncated: 0 });
    expect(report.dropped).toEqual([
      { reason: "empty source", count: 2, firstLines: [2, 7] },
      { reason: "empty target", count: 1, firstLines: [3] },
      { reason: "source too long", count: 1, firstLines: [4] },
      { reason: "target too long", count: 2, firstLines: [5, 8] },
    ]);
  });

  it("describes the report in one line", async () => {
    const lines = "a b c d e\n".repeat(5) + "a\n";
    const { report } = await readParallelText(options(lines, lines));
    expect(describeCorpus(report)).toMatch(
      /a\.en, .*a\.de: 1 of 6 pairs; 5 source too long \(lines 1, 2, 3 …\)$/,
    );
  });

  it("cuts long sides where asked and keeps EOS", async () => {
    const { examples, report } = await readParallelText({
      ...options("a b c d e\na\n", "a b c d\nb\n"),
      truncateSource: true,
      truncateTarget: true,
    });
    expect([...examples[0]!.source]).toEqual([1, 1, 1, EOS]);
    expect([...examples[0]!.target]).toEqual([1, 1, EOS]);
    expect(report).toMatchObject({ kept: 2, truncated: 1, dropped: [] });
    expect(describeCorpus(report)).toMatch(/; 1 cut to the longest length$/);
  });

  it.each([
    ["a\nb\nc\n", "a\n", 3, 1],
    ["a\n", "a\nb", 1, 2],
    ["", "a\n", 0, 1],
  ])("refuses unequal line counts with both counts and paths", async (source, target, n, m) => {
    const error: unknown = await readParallelText(options(source, target)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(
      new RegExp(`received ${n} in .*a\\.en and ${m} in .*a\\.de\\.`),
    );
  });

  it("refuses files of which nothing is left", async () => {
    await expect(readParallelText(options("", ""))).rejects.toThrow(/received empty files/);
    await expect(readParallelText(options("\n", "a\n"))).rejects.toThrow(/1 empty source \(line 1\)/);
  });

  it("fails on a misencoded line of either file", async () => {
    const settings = options("a\nb\n", "a\nb\n");
    writeFileSync(settings.targetPath, Uint8Array.of(0x61, 0x0a, 0xfe));
    await expect(readParallelText(settings)).rejects.toThrow(/a\.de:2: expected UTF-8/);
  });
});
