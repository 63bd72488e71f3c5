/** How far a calibration is, on disk: what it takes to go on after a kill to the same bytes. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { z } from "zod";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { CheckpointError, ConfigError, FormatError } from "../errors.ts";
import { readSafetensors, type SafeTensor, writeSafetensors } from "../formats/safetensors.ts";
import type { CollectedState } from "../quant/statistics-collector.ts";

/** What the state of a calibration belongs to; every value is text or a number. */
export type CalibrationSettings = Readonly<Record<string, string | number | null>>;

/** A calibration that has begun. */
export interface CalibrationState {
  readonly settings: CalibrationSettings;
  /** Batches that are done. */
  readonly batches: number;
  readonly collected: readonly CollectedState[];
}

const headSchema = z.strictObject({
  version: z.literal(1),
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  batches: z.int().min(0),
  records: z.array(
    z.strictObject({
      operation: z.string(),
      input: z.int().min(0).nullable(),
      shape: z.array(z.int().min(0)),
    }),
  ),
});

/** Replaces the state at a path; a crash leaves the old one. */
export function saveCalibrationState(path: string, state: CalibrationState): void {
  const { settings, batches, collected } = state;
  const tensors = collected.flatMap(({ state: own }, i): [string, SafeTensor][] => [
    [`${i}.moments`, { dtype: "F64", shape: [own.moments.length], data: own.moments }],
    [`${i}.counts`, { dtype: "F64", shape: [own.counts.length], data: own.counts }],
  ]);
  const records = collected.map(({ operation, input, state: own }) => {
    return { operation, input, shape: own.shape };
  });
  const head = { version: 1, settings, batches, records };
  writeFileAtomic(path, writeSafetensors(tensors, { calibration: JSON.stringify(head) }));
}

/**
 * The state at a path, or null where there is none.
 * @throws {ConfigError} if it belongs to another model, text or settings; {@link CheckpointError} if it
 *   is damaged
 */
export function loadCalibrationState(
  path: string,
  settings: CalibrationSettings,
): CalibrationState | null {
  if (!existsSync(path)) return null;
  const { tensors, metadata } = readState(path);
  const head = headSchema.safeParse(parsed(metadata["calibration"] ?? ""));
  if (!head.success) throw damaged(path, "no description of a calibration");
  const differing = [
    ...new Set([...Object.keys(settings), ...Object.keys(head.data.settings)]),
  ].find((key) => settings[key] !== head.data.settings[key]);
  if (differing !== undefined) {
    throw new ConfigError(
      `${path}: expected the state of this calibration, received one with ` +
        `${differing} ${String(head.data.settings[differing])} instead of ` +
        `${String(settings[differing])}. Go on with what it began with, or remove the file.`,
    );
  }
  const numbers = (name: string): Float64Array => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === "F64") return tensor.data;
    throw damaged(path, `no float64 "${name}"`);
  };
  const collected = head.data.records.map(({ operation, input, shape }, i) => ({
    ...{ operation, input },
    state: { shape, moments: numbers(`${i}.moments`), counts: numbers(`${i}.counts`) },
  }));
  return { settings, batches: head.data.batches, collected };
}

function readState(path: string): ReturnType<typeof readSafetensors> {
  try {
    return readSafetensors(readFileSync(path), path);
  } catch (error) {
    if (error instanceof FormatError) throw damaged(path, "a damaged or another file");
    throw error;
  }
}

/** Removes the state at a path, once it is of no more use. */
export function removeCalibrationState(path: string): void {
  rmSync(path, { force: true });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function damaged(path: string, received: string): CheckpointError {
  return new CheckpointError(
    `${path}: expected the state of a calibration, received ${received}. ` +
      "Remove the file to begin anew.",
  );
}
