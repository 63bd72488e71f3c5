/** Whether tests can run on TensorFlow for Node. */
import { existsSync } from "node:fs";
import { nativePrefix } from "../../src/backends/native/load.ts";

const prefix = nativePrefix(process.env);

/** False where there is no installation: tests on native are skipped then. */
export const hasNative: boolean = existsSync(`${prefix}/installation.json`);

if (!hasNative && process.env.TFJS_QAT_REQUIRE_NATIVE) {
  throw new Error(
    `TFJS_QAT_REQUIRE_NATIVE: expected an installation in ${prefix}, received none. ` +
      `Run "tfjs-qat native install".`,
  );
}
