/** The whole recipe: every section, and how a bare key finds its section. */
import type { z } from "zod";
import { criterionSection } from "./criterion-schema.ts";
import { datasetSection, evalDatasetSection } from "./dataset-schema.ts";
import { entrySection } from "./entry-schema.ts";
import { lrScheduleSection } from "./lr-schedule-schema.ts";
import { evalMetricSection, metricSection } from "./metric-schema.ts";
import { modelSection } from "./model-schema.ts";
import { optimizerSection } from "./optimizer-schema.ts";
import { runSection } from "./run-schema.ts";
import { evalSearchSection, searchSection } from "./search-schema.ts";
import { paramNames, paramSchema, type Section, type SectionValue } from "./section.ts";
import { sourcePipelineSection, targetPipelineSection, taskSection } from "./task-schema.ts";
import { evalCriterionSection, validatorSection } from "./validator-schema.ts";

/** Every section; a bare key belongs to the first that has it. */
export const SECTIONS = {
  run: runSection,
  entry: entrySection,
  criterion: criterionSection,
  optimizer: optimizerSection,
  lr_schedule: lrScheduleSection,
  task: taskSection,
  dataset: datasetSection,
  search_method: searchSection,
  metric: metricSection,
  validator: validatorSection,
  model: modelSection,
  src_data_pipeline: sourcePipelineSection,
  trg_data_pipeline: targetPipelineSection,
  eval_criterion: evalCriterionSection,
  eval_dataset: evalDatasetSection,
  eval_search_method: evalSearchSection,
  eval_metric: evalMetricSection,
} as const;

export type SectionName = keyof typeof SECTIONS;

/** A complete, checked recipe. */
export type Recipe = { readonly [S in SectionName]: SectionValue<(typeof SECTIONS)[S]> };

export const SECTION_NAMES = Object.keys(SECTIONS) as SectionName[];

/** Sections whose keys must name their section: another one owns the bare key. */
const QUALIFIED: readonly SectionName[] = [
  "src_data_pipeline",
  "trg_data_pipeline",
  "eval_criterion",
  "eval_dataset",
  "eval_search_method",
  "eval_metric",
];

/** Other spellings of keys. */
export const KEY_ALIASES: ReadonlyMap<string, string> = new Map([
  ["save_checkpoints_steps", "save_checkpoint_steps"],
  ["lr", "peak_lr"],
]);

const owners = new Map<string, SectionName>();
for (const name of SECTION_NAMES.filter((section) => !QUALIFIED.includes(section))) {
  for (const key of paramNames(SECTIONS[name])) if (!owners.has(key)) owners.set(key, name);
}

/** The section of a bare key, if one has it. */
export function ownerOf(key: string): SectionName | undefined {
  return owners.get(key);
}

/** All bare keys, in the order of the sections. */
export function bareKeys(): string[] {
  return [...owners.keys()];
}

/** A section's definition under its general type. */
export function sectionOf(name: SectionName): Section {
  return SECTIONS[name];
}

/** The schema of a key, in a class if one is given. */
export function schemaOf(
  section: SectionName,
  key: string,
  className?: string,
): z.ZodType | undefined {
  return paramSchema(SECTIONS[section], key, className);
}

/** How a key is written in reports: bare in `run`, else `section.key`. */
export function fullKey(section: SectionName, key: string): string {
  return section === "run" ? key : `${section}.${key}`;
}

/** True for a name that introduces a section: `task`, `optimizer` … */
export function isSectionName(name: string): name is SectionName {
  return name !== "run" && Object.hasOwn(SECTIONS, name);
}
