/** Statistics of a shipped model from text: interrupted and taken up, refused, partial. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseStatisticsYaml } from "../../src/formats/distiller-statistics.ts";
import { withHistograms } from "../../src/formats/statistics-histograms.ts";
import { calibrateText, type CalibrateTextOptions } from "../../src/recipe/calibrate.ts";
import { SILENT, type RunReporter } from "../../src/recipe/run-reporter.ts";

const root = join(import.meta.dirname, "../..");
const model = join(root, "pretrained/gnmt-lohelp");
const data = (name: string): string => join(root, "data/lohelp-en-de", name);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "calibrate-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function options(name: string, more: Partial<CalibrateTextOptions> = {}): CalibrateTextOptions {
  return {
    flags: {
      ...{ src_file: data("dev.en"), backend: "wasm", batch_size: 2, beam_size: 2 },
      ...{ search_method: "gnmt_beam_search", max_seq_len: 5, ...more.flags },
    },
    output: join(directory, `${name}.yaml`),
    ...{ limit: 6, saveEvery: 8, reporter: SILENT },
    ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "flags")),
  };
}

/** A reporter that aborts once so many sentences are done. */
function stopping(after: number): Pick<CalibrateTextOptions, "reporter" | "signal"> {
  const controller = new AbortController();
  const update = (done: number): void => {
    if (done >= after) controller.abort();
  };
  const reporter: RunReporter = { ...SILENT, progress: () => ({ update, end: () => undefined }) };
  return { reporter, signal: controller.signal };
}

/** A reporter that fails once a batch is done. */
function mayNotFinish(): Pick<CalibrateTextOptions, "reporter"> {
  const update = (done: number): void => {
    expect(done).toBe(0);
  };
  return { reporter: { ...SILENT, progress: () => ({ update, end: () => undefined }) } };
}

const files = (name: string): Buffer[] =>
  ["yaml", "histograms.safetensors"].map((end) => readFileSync(join(directory, `${name}.${end}`)));

describe("calibrateText", () => {
  it("that was interrupted goes on to the bytes of one that was not", async () => {
    const whole = await calibrateText(model, options("whole"));
    expect(whole).toMatchObject({ mode: "search", sentences: 6, partial: true, lines: 1220 });
    const stopped = calibrateText(model, options("part", stopping(4)));
    await expect(stopped).rejects.toThrow(/abort/i);
    expect(existsSync(join(directory, "part.yaml"))).toBe(false);
    // Another search would have other statistics.
    const other = options("part", { flags: { beam_size: 3 } });
    await expect(calibrateText(model, other)).rejects.toThrow(
      /part\.yaml\.state: expected the state of this calibration, received one with search_method/,
    );
    const resumed = await calibrateText(model, options("part"));
    expect(resumed.resumed_sentences).toBe(4);
    expect(files("part").map((bytes, i) => bytes.equals(files("whole")[i]!))).toEqual([true, true]);
    expect(existsSync(join(directory, "part.yaml.state"))).toBe(false);
  });

  it("writes what its readers read, of references too", async () => {
    const flags = { trg_file: data("dev.de") };
    const notes: string[] = [];
    const reporter = { ...SILENT, note: (line: string) => notes.push(line) };
    const report = await calibrateText(model, options("pairs", { flags, limit: 3, reporter }));
    expect(report).toMatchObject({ mode: "reference", sentences: 3 });
    expect(notes).toContain("calibrate: partial, 3 of 1220 sentences");
    const read = parseStatisticsYaml(readFileSync(report.output, "utf8"), "");
    const statistics = withHistograms(read, readFileSync(report.histograms), "");
    const { inputs, output } = statistics.get("decoder/classifier/classifier")!;
    expect(output!.histogram!.counts.reduce((a, b) => a + b, 0)).toBe(output!.totalNumel);
    expect(inputs.get(0)!.totalNumel! % 160).toBe(0);
  });

  it("tells before the work what it cannot write to, and which state it cannot read", async () => {
    const mayNotRun: RunReporter = { ...SILENT, progress: () => expect.fail("has begun") };
    const onDirectory = options("", { output: directory, reporter: mayNotRun });
    await expect(calibrateText(model, onDirectory)).rejects.toThrow(
      /--output: expected a file to write, received .*, which is a directory/,
    );
    writeFileSync(join(directory, "cut.yaml.state"), "cut off");
    await expect(calibrateText(model, options("cut", { reporter: mayNotRun }))).rejects.toThrow(
      /cut\.yaml\.state: .*received a damaged or another file\. Remove the file to begin anew/,
    );
    writeFileSync(join(directory, "file"), "");
    const below = options("", { output: join(directory, "file/x.yaml") });
    await expect(calibrateText(model, { ...below, ...mayNotFinish() })).rejects.toThrow(
      /x\.yaml\.state: expected a file that can be written/,
    );
  });

  it("refuses test text, also a copy beside it, unless it is told that it is none", async () => {
    const flags = { src_file: data("test.en") };
    await expect(calibrateText(model, options("test", { flags }))).rejects.toThrow(
      /test\.en: expected held-out text.*the name of test data.*--allow_test_text/,
    );
    copyFileSync(data("dev.en"), join(directory, "newstest2014.en"));
    copyFileSync(data("dev.en"), join(directory, "text.en"));
    const copy = { src_file: join(directory, "text.en") };
    await expect(calibrateText(model, options("copy", { flags: copy }))).rejects.toThrow(
      "received a copy of newstest2014.en",
    );
    const allowed = options("copy", { flags: copy, limit: 1, allowTestText: true });
    expect((await calibrateText(model, allowed)).sentences).toBe(1);
  });
});
