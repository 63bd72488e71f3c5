/** What an installation is asked to be, and what it reports. */
import type { RunReporter } from "../recipe/run-reporter.ts";
import type { Host } from "./host.ts";

/** The version that this package is tested with. */
export const TESTED_TENSORFLOW = "2.21.0";

/** What `native install` is told. */
export interface InstallOptions {
  /** TensorFlow with CUDA, and NVIDIA's libraries beside it. */
  readonly cuda?: boolean | undefined;
  /** Version of TensorFlow [default: the wheel's, or {@link TESTED_TENSORFLOW}]. */
  readonly tensorflow?: string | undefined;
  /** A Python whose pip downloads; a fitting TensorFlow that it has is used in place. */
  readonly python?: string | undefined;
  /** A wheel file of TensorFlow; no Python is needed then. */
  readonly wheel?: string | undefined;
  /** Folder of the installation [default: the one in use, or the user's data folder]. */
  readonly prefix?: string | undefined;
}

/** Where an installation runs and what it tells. */
export interface InstallContext {
  readonly host: Host;
  readonly reporter: RunReporter;
  readonly signal: AbortSignal;
}

/** What was installed. */
export interface InstallReport {
  /** `verified`: it was there already; `stock`: a stock package works and is used as it is. */
  readonly status: "installed" | "verified" | "stock";
  /** Null for a stock package. */
  readonly prefix: string | null;
  readonly package: string;
  /** The version that TensorFlow itself says. */
  readonly tensorflow: string;
  readonly uses_gpu: boolean;
  /** What was done now, in order. */
  readonly steps: readonly string[];
}
