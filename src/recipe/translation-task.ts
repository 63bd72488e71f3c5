/** The translation task of a recipe: text pipelines, special ids, and data sets as token ids. */
import type { BatchIds } from "../data/make-batch.ts";
import { readParallelText, type ParallelCorpus } from "../data/parallel-text.ts";
import { readAllLines, readTextFile } from "../data/text-file.ts";
import type { SpecialIds } from "../decode/decode-options.ts";
import { ConfigError, DataError } from "../errors.ts";
import { parseBpeCodes } from "../text/bpe.ts";
import { TextPipeline } from "../text/pipeline.ts";
import { Vocabulary } from "../text/vocabulary.ts";
import { splitWhitespace } from "../text/whitespace.ts";
import type { Recipe } from "./schema.ts";

type Pipeline = NonNullable<Recipe["src_data_pipeline"]>;
type Dataset = NonNullable<Recipe["dataset"]>;

/** Text to ids and back, for both sides. */
export interface TranslationTask {
  readonly source: TextPipeline;
  readonly target: TextPipeline;
  /** First decoder input and padding. */
  readonly batchIds: BatchIds;
  /** Special ids for decoding; `bos` is what decoding starts from. */
  readonly special: SpecialIds;
}

/** Lengths and truncation of a data set's pairs. */
export interface PairLimits {
  readonly maxSourceLength: number;
  readonly maxTargetLength: number;
  readonly truncateSource: boolean;
  readonly truncateTarget: boolean;
}

/** No pair is too long: evaluation drops nothing. */
export const NO_LIMITS: PairLimits = {
  maxSourceLength: Number.MAX_SAFE_INTEGER,
  maxTargetLength: Number.MAX_SAFE_INTEGER,
  truncateSource: false,
  truncateTarget: false,
};

/**
 * Loads vocabularies and subword merges.
 * @throws {ConfigError} if a pipeline is missing; {@link DataError} for unreadable files
 */
export function createTranslationTask(
  recipe: Pick<Recipe, "task" | "src_data_pipeline" | "trg_data_pipeline">,
): TranslationTask {
  const source = createPipeline("src_data_pipeline", recipe.src_data_pipeline);
  const target = createPipeline("trg_data_pipeline", recipe.trg_data_pipeline);
  const { unkId, bosId, eosId } = target.vocabulary;
  const start = recipe.task.target_begin_of_sentence === "eos" ? eosId : bosId;
  return {
    source,
    target,
    batchIds: { start, eos: eosId },
    special: { unk: unkId, bos: start, eos: eosId },
  };
}

function createPipeline(section: string, pipeline: Pipeline | null): TextPipeline {
  if (pipeline === null) {
    throw new ConfigError(
      `${section}: expected language, vocab_path and so on, received nothing. Give ` +
        `${section}.params in a configuration file, or a model_dir that has them.`,
    );
  }
  const { vocab_path: vocabPath, subtokenizer_codes: codesPath } = pipeline;
  return new TextPipeline({
    language: pipeline.language,
    vocabulary: Vocabulary.parse(
      readTextFile(vocabPath, "a vocabulary file", `Check ${section}.vocab_path.`),
      vocabPath,
    ),
    tokenizer: pipeline.tokenizer ?? null,
    subtokenizer: pipeline.subtokenizer ?? null,
    ...(codesPath === undefined
      ? {}
      : {
          codes: parseBpeCodes(
            readTextFile(
              codesPath,
              "a file of subword merges",
              `Check ${section}.subtokenizer_codes.`,
            ),
            codesPath,
          ),
        }),
    reverse: pipeline.reverse_sequence,
    lowercase: pipeline.lowercase,
    removePunctuation: pipeline.remove_punctuation,
    normalizePunctuation: pipeline.normalize_punctuation,
  });
}

/**
 * Reads a data set with both sides.
 * @throws {ConfigError} if the target is missing; {@link DataError} for bad files
 */
export async function readPairs(
  task: TranslationTask,
  dataset: Dataset,
  limits: PairLimits,
): Promise<ParallelCorpus> {
  const targetPath = dataset.trg_file;
  if (targetPath === undefined) {
    throw new ConfigError(
      "dataset: expected trg_file, received a source alone. Give --trg_file, or " +
        "dataset.params.trg_file in a configuration file.",
    );
  }
  return readParallelText({
    sourcePath: dataset.src_file,
    targetPath,
    encodeSource: encoder(task.source, dataset.data_is_processed),
    encodeTarget: encoder(task.target, dataset.data_is_processed),
    ...limits,
  });
}

function encoder(pipeline: TextPipeline, isProcessed: boolean): (line: string) => Int32Array {
  return isProcessed
    ? (line) => pipeline.idsOf(splitWhitespace(line))
    : (line) => pipeline.encode(line);
}

/** What is decoded, and what it is compared with. */
export interface SourceText {
  /** Token ids of each line, EOS last. */
  readonly sources: readonly Int32Array[];
  /** Reference lines as running text; null where the data set has none. */
  readonly references: readonly string[] | null;
}

/**
 * Reads the lines to translate and their references.
 * @throws {DataError} for bad files or unequal numbers of lines
 */
export async function readSourceText(task: TranslationTask, dataset: Dataset): Promise<SourceText> {
  const encode = encoder(task.source, dataset.data_is_processed);
  const lines = await readAllLines(dataset.src_file);
  if (lines.length === 0) {
    throw new DataError(
      `${dataset.src_file}: expected lines to translate, received an empty file. Check src_file.`,
    );
  }
  return {
    sources: lines.map(encode),
    references: await readReferences(task, dataset, lines.length),
  };
}

async function readReferences(
  task: TranslationTask,
  dataset: Dataset,
  count: number,
): Promise<string[] | null> {
  const path = dataset.raw_trg_file ?? dataset.trg_file;
  if (path === undefined) return null;
  const lines = await readAllLines(path);
  if (lines.length !== count) {
    throw new DataError(
      `${path}: expected ${count} lines as in ${dataset.src_file}, received ${lines.length}. ` +
        "Line n of one file must translate line n of the other.",
    );
  }
  const isText = dataset.raw_trg_file !== undefined || !dataset.data_is_processed;
  return isText ? lines : lines.map((line) => task.target.detokenize(splitWhitespace(line)));
}
