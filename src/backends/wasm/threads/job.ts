/** A call of a kernel that can be divided among threads. */
import type { SimdModule } from "../simd-module.ts";

/** Functions of the module by name. */
export type KernelFunction = keyof SimdModule;

/** One call and how its work is divided: units `begin` to `end`, in ranges. */
export interface Job {
  readonly name: KernelFunction;
  readonly values: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** Ranges start at multiples of this many units after `begin`. */
  readonly grain: number;
  /** Estimated time of one unit on one thread. */
  readonly unitNanoseconds: number;
  /** Fewest units of a part, where the parts would be more than the threads. Default 1. */
  readonly leastUnits?: number;
  /** Arguments that grow with each unit before the range, by how much: [argument, growth]. */
  readonly strides: readonly (readonly [number, number])[];
  /** The argument that takes the end of the range. */
  readonly endAt?: number;
  /** The argument that takes the length of the range. */
  readonly lengthAt?: number;
  /** The argument that takes the scratch memory of the thread. */
  readonly scratchAt?: number;
}

/** How many parts, and how many units each but the last has. */
export interface Division {
  readonly parts: number;
  readonly step: number;
}

/** About as long as a sleeping thread takes to wake up: one thread does less as fast. */
const LEAST_NANOSECONDS = 80_000;
const LEAST_PART_NANOSECONDS = 20_000;
/** Parts for each thread: who is held up takes fewer. */
const PARTS_PER_THREAD = 4;
/** The block counts parts in a byte, and 255 says that there is no job. */
const MOST_PARTS = 254;

/** The parts of a job for a number of threads; null where one thread does it as fast. */
export function divide(job: Job, threads: number): Division | null {
  const units = job.end - job.begin;
  const nanoseconds = units * job.unitNanoseconds;
  if (nanoseconds < LEAST_NANOSECONDS) return null;
  const byTime = Math.floor(nanoseconds / LEAST_PART_NANOSECONDS);
  const bySize = Math.floor(units / (job.leastUnits ?? 1));
  const most = Math.min(byTime, PARTS_PER_THREAD * threads, MOST_PARTS);
  // As many for each thread.
  const wanted = Math.min(
    most,
    Math.max(1, Math.floor(Math.min(bySize, most) / threads)) * threads,
  );
  const step = Math.ceil(units / wanted / job.grain) * job.grain;
  const parts = Math.ceil(units / step);
  return parts < 2 ? null : { parts, step };
}
