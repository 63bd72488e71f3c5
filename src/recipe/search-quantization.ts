/** Searches for quantization settings of a model on disk. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { fileHash } from "../data/file-hash.ts";
import { ConfigError } from "../errors.ts";
import { histogramsPath } from "../formats/statistics-histograms.ts";
import { formatYaml } from "../formats/yaml.ts";
import { fullName } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { prepareQuantization } from "../ptq/quantize-model.ts";
import type { QuantReport } from "../ptq/report.ts";
import { type Finding, searchSettings, type SearchResult, type SearchSite } from "../ptq/search.ts";
import { quantizeWith, type SearchBase } from "../ptq/site-options.ts";
import type { BitBudget } from "../ptq/weight-bits.ts";
import { type QuantConfig, toQuantParams } from "../quant/config.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { packageVersion } from "./package-version.ts";
import { type HeldOutRequest, readHeldOutText } from "./held-out-text.ts";
import { type QuantizeRequest, quantizeOptions, refined } from "./quantize.ts";
import type { Refinement } from "./refine-weights.ts";
import { requiredDataset } from "./run-report.ts";
import type { Recipe } from "./schema.ts";
import { searchLog } from "./search-log.ts";
import { SearchMemo } from "./search-memo.ts";
import type { SearchMetric } from "./search-metrics.ts";
import { type JudgedText, measuredSpace } from "./search-space.ts";
import { recipeOfModel } from "./sources.ts";
import { startBackend } from "./start-backend.ts";
import { refuseOccupied, writeQuantized } from "./write-quantized.ts";

/** What is searched, on which text. */
export interface SearchRequest extends QuantizeRequest {
  readonly output: string;
  readonly metric: SearchMetric;
  readonly text: HeldOutRequest;
  /** Bytes of all tensors of the quantized model, codes packed without gaps; null: any. */
  readonly maxBytes: number | null;
  /** Mean bits of the quantized weights; null: any. */
  readonly averageBits: number | null;
}

/** What a search came to. */
export interface SearchOutcome {
  readonly output: string;
  readonly result: SearchResult;
  readonly report: QuantReport;
  readonly refinement: Refinement | null;
  /** The log for people. */
  readonly log: string;
  readonly notes: readonly string[];
  /** True where the limit left lines out. */
  readonly partial: boolean;
}

/** Files in the output beside those of the model. */
export const SEARCH_FILES = {
  memo: "search.jsonl",
  log: "search.md",
  overrides: "overrides.yml",
} as const;

/**
 * Searches, and writes the best quantized model with the overrides that made it, the log, and the
 * report. A search that was killed goes on from its memo in the output.
 * @throws {ConfigError} for settings that do not fit, test text, a budget that cannot be kept, or an
 *   output that holds something else
 */
export async function searchQuantization(request: SearchRequest): Promise<SearchOutcome> {
  const { path, output, reporter } = request;
  refuseOccupied(output, SEARCH_FILES.memo);
  const { recipe } = recipeOfModel(path, request.text.flags);
  await startBackend(recipe, reporter);
  const loaded = loadModel(path, recipe);
  try {
    if (loaded.format !== "float") throw notFloat(path, loaded.format);
    const { model: source } = loaded;
    const options = quantizeOptions(request);
    const prepared = prepareQuantization(source, options);
    prepared.model.dispose();
    const base = { source, statistics: options.statistics ?? null, config: prepared.config };
    const heldOut = await judgedText(loaded, recipe, request);
    const fingerprint = await fingerprintOf(loaded, base, heldOut, request);
    const memo = SearchMemo.open(join(output, SEARCH_FILES.memo), fingerprint);
    if (memo.size > 0)
      reporter.note(`search: goes on after ${memo.size} results of an earlier call`);
    const result = await search(base, heldOut, memo, request);
    return await finish(result, { request, loaded, base, heldOut, notes: prepared.notes });
  } finally {
    loaded.model.dispose();
  }
}

async function search(
  base: SearchBase,
  heldOut: JudgedText,
  memo: SearchMemo,
  request: SearchRequest,
): Promise<SearchResult> {
  const space = measuredSpace(base, heldOut, memo);
  const progress = request.reporter.progress("scores", "tensors");
  let scored = 0;
  try {
    return await searchSettings(space, {
      better: request.metric === "bleu" ? "higher" : "lower",
      budget: budgetOf(space.sites, base.source, request),
      onFinding: (finding) => {
        if (finding.kind === "score") progress.update(++scored, space.sites.length);
        if (finding.kind === "score" && scored === space.sites.length) progress.end();
        const line = describe(finding);
        if (line !== null) request.reporter.note(line);
      },
    });
  } finally {
    space.dispose();
  }
}

async function judgedText(
  { task }: LoadedModel,
  recipe: Recipe,
  { metric, text, reporter, signal }: SearchRequest,
): Promise<JudgedText> {
  if (metric === "bleu" && recipe.metric.class !== "bleu") {
    throw new ConfigError(
      `--search bleu: expected the metric bleu, received ${recipe.metric.class}. Leave --metric out.`,
    );
  }
  const read = await readHeldOutText(task, recipe, text, reporter);
  return { ...read, task, recipe, metric, reporter, signal };
}

async function fingerprintOf(
  { weightsPath }: LoadedModel,
  { config }: SearchBase,
  { recipe, pairs }: JudgedText,
  { stats, metric }: SearchRequest,
): Promise<Record<string, string>> {
  const { src_file: source, trg_file: target } = requiredDataset(recipe);
  const settings = JSON.stringify([
    toQuantParams(config),
    ...[recipe.search_method, recipe.metric, recipe.run.backend],
    ...[pairs.length, packageVersion()],
  ]);
  return {
    model: await fileHash(weightsPath),
    statistics: stats === null ? "none" : await fileHash(stats),
    histograms: await histogramsHash(stats),
    source: await fileHash(source),
    target: await fileHash(target!),
    metric,
    settings: createHash("sha256").update(settings).digest("hex"),
  };
}

async function histogramsHash(stats: string | null): Promise<string> {
  const path = stats === null ? null : histogramsPath(stats);
  return path === null || !existsSync(path) ? "none" : fileHash(path);
}

function budgetOf(
  sites: readonly SearchSite[],
  source: Seq2SeqModel,
  { maxBytes, averageBits }: SearchRequest,
): BitBudget | null {
  if (maxBytes === null && averageBits === null) return null;
  const names = [...source.variables.keys()];
  const weights = sites.filter(({ weight }) => weight !== null);
  const quantized = new Set(weights.map(({ path }) => fullName("weight", path, names)));
  const floatBytes = [...source.variables]
    .filter(([name]) => !quantized.has(name))
    .reduce((sum, [, { size }]) => sum + 4 * size, 0);
  return {
    maxBytes: maxBytes ?? undefined,
    averageBits: averageBits ?? undefined,
    floatBytes,
  };
}

interface Found {
  readonly request: SearchRequest;
  readonly loaded: LoadedModel;
  readonly base: SearchBase;
  readonly heldOut: JudgedText;
  readonly notes: readonly string[];
}

async function finish(
  result: SearchResult,
  { request, loaded, base, heldOut, notes }: Found,
): Promise<SearchOutcome> {
  const { output, metric } = request;
  const overrides = [...result.best.overrides!, ...result.bits];
  const { model, report } = quantizeWith(base, overrides);
  try {
    const refinement = await refined(model, request, { ...heldOut, ...loaded });
    const { overrides: given } = base.config;
    const config: QuantConfig = { ...base.config, overrides: [...overrides, ...given] };
    const log = searchLog(result, { metric, text: heldOut.description });
    writeFileAtomic(join(output, SEARCH_FILES.log), log);
    writeFileAtomic(join(output, SEARCH_FILES.overrides), formatYaml({ overrides }));
    const written = { ...report, ...refinement };
    writeQuantized(output, { ...loaded, model }, { config, report: written });
    const partial = heldOut.pairs.length < heldOut.lines;
    return { output, result, report, refinement, log, notes, partial };
  } finally {
    model.dispose();
  }
}

function describe(finding: Finding): string | null {
  switch (finding.kind) {
    case "score":
      return null;
    case "choice": {
      const { path, before, after, settings } = finding;
      const costs = `${before.toPrecision(3)} → ${after.toPrecision(3)} nats a token`;
      return `${path}: ${costs} by ${JSON.stringify(settings)}`;
    }
    case "bits": {
      const widths = [...finding.bits].map(([path, bits]) => `${path} ${bits}`);
      return `bits: ${widths.join(", ")}`;
    }
    case "evaluation": {
      const { name, metric } = finding.evaluation;
      return `${name}: ${metric.toFixed(3)}`;
    }
  }
}

function notFloat(path: string, format: string): ConfigError {
  return new ConfigError(
    `${path}: expected a float model to search settings for, received a ${format} one. ` +
      "Give the model that it was made from.",
  );
}
