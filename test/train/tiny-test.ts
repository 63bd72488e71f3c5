/** What tests of training make and clean up at their end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Transformer } from "../../src/models/transformer.ts";
import type { QuantConfig } from "../../src/quant/config.ts";
import { makeTinyModel, QUANT } from "./tiny-run.ts";

/** A directory that the test's end removes. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "train-"));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** A model with the same initial weights each time, disposed at the test's end. */
export function tinyModel(
  quantConfig: QuantConfig | null = QUANT,
  dropout: "dp0.1" | "dp0.0" = "dp0.1",
): Transformer {
  const model = makeTinyModel(quantConfig, dropout);
  onTestFinished(() => {
    model.dispose();
  });
  return model;
}
