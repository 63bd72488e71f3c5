/** Keeps text that results are reported on out of calibration. */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileHash } from "../data/file-hash.ts";
import { ConfigError } from "../errors.ts";

/** `test.en`, `newstest2014.de`, `wmt14-test.en`: a word that ends in test, before figures. */
const TEST_NAME = /(^|[^a-z])(news|wmt)?test(set)?\d*([^a-z]|$)/i;

/**
 * Refuses a text that is test data by its name, or by the name of a file beside it with the same bytes:
 * statistics of a test set would make results on it look better than they are.
 * @throws {ConfigError} naming the file and the flag that allows it
 */
export async function refuseTestText(path: string): Promise<void> {
  const reason = TEST_NAME.test(basename(path))
    ? "one with the name of test data"
    : await copyOfTestText(path);
  if (reason === null) return;
  throw new ConfigError(
    `${path}: expected held-out text that no result is reported on, received ${reason}. ` +
      "Use development text, or say --allow_test_text if it is none.",
  );
}

async function copyOfTestText(path: string): Promise<string | null> {
  const directory = dirname(path);
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && TEST_NAME.test(entry.name))
    .map(({ name }) => name);
  if (names.length === 0) return null;
  const own = await fileHash(path);
  for (const name of names) {
    if ((await fileHash(join(directory, name))) === own) return `a copy of ${name}`;
  }
  return null;
}
