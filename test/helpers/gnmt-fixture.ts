/** What MLPerf's GNMT computed: see scripts/oracles/gnmt.py for the layout. */
import { readFileSync } from "node:fs";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import type { PlainTensor } from "./plain-gnmt.ts";

export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** One hypothesis of MLPerf's beam. */
export interface FixtureBeam {
  readonly tokens: readonly number[];
  readonly length: number;
  readonly score: number;
}

/** One call of MLPerf's search. */
export interface FixtureSearch {
  readonly sources: readonly (readonly number[])[];
  readonly beamSize: number;
  readonly lenNormFactor: number;
  readonly lenNormConst: number;
  readonly covPenaltyFactor: number;
  readonly maxSeqLen: number;
  readonly tokens: readonly (readonly number[])[];
  readonly lengths: readonly number[];
  readonly scores: readonly number[] | null;
  readonly beams: readonly (readonly FixtureBeam[])[] | null;
}

/** A number of steps, or a share of the run. */
export type FixtureSteps = number | { readonly fraction: number };

/** One of MLPerf's learning rate schedules. */
export interface FixtureSchedule {
  readonly options: {
    readonly iterations: number;
    readonly warmupSteps: FixtureSteps;
    readonly remainSteps: FixtureSteps;
    readonly decayInterval: FixtureSteps | null;
    readonly decaySteps: number;
    readonly decayFactor: number;
    readonly baseRate: number;
  };
  readonly rates: readonly (readonly [number, number])[];
}

/** The whole file. */
export interface GnmtFixture {
  readonly sizes: { readonly vocab: number; readonly hidden: number; readonly layers: number };
  readonly special: Readonly<Record<"pad" | "unk" | "bos" | "eos", number>>;
  readonly teacherForced: {
    readonly sources: readonly (readonly number[])[];
    readonly targets: readonly (readonly number[])[];
    readonly context: FixtureTensor;
    readonly attention: FixtureTensor;
    readonly logits: FixtureTensor;
    readonly smoothing: number;
    readonly loss: number;
    readonly gradientNorms: Readonly<Record<string, number>>;
  };
  readonly searches: readonly FixtureSearch[];
  readonly schedules: readonly FixtureSchedule[];
}

/** Reads test/fixtures/models/gnmt.json. */
export function readGnmtFixture(): GnmtFixture {
  const text = readFileSync(new URL("../fixtures/models/gnmt.json", import.meta.url), "utf8");
  return JSON.parse(text) as GnmtFixture;
}

/** The weights of the fixture's model under PyTorch's names. */
export function readGnmtWeights(): Map<string, PlainTensor> {
  const bytes = readFileSync(new URL("../fixtures/models/gnmt.safetensors", import.meta.url));
  const { tensors } = readSafetensors(bytes, "gnmt.safetensors");
  return new Map(
    Array.from(tensors, ([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
  );
}
