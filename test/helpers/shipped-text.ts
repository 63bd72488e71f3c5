/** The shipped text, and a reporter for what training steps leave behind. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { SILENT, type RunReporter } from "../../src/recipe/run-reporter.ts";

/** Root of the repository. */
export const ROOT = join(import.meta.dirname, "../..");

/** Lines of one side of a shipped set. */
export function shippedLines(set: "dev" | "test", language: "en" | "de"): string[] {
  const path = join(ROOT, `data/lohelp-en-de/${set}.${language}`);
  return readFileSync(path, "utf8").trimEnd().split("\n");
}

/** Notes after each training step how many tensors and how many of the backend's buffers there are. */
export function countingReporter(steps: { tensors: number; buffers: number }[]): RunReporter {
  return {
    ...SILENT,
    progress: (label) => ({
      update: () => {
        if (label !== "train") return;
        const buffers = (tf.backend() as unknown as { numDataIds(): number }).numDataIds();
        steps.push({ tensors: tf.memory().numTensors, buffers });
      },
      end: () => undefined,
    }),
  };
}
