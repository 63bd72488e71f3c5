/** Whether tests can run on TensorFlow for Node. */
import { nativePrefix, readInstallation } from "../../src/backends/native/installation.ts";

const prefix = nativePrefix(process.env);

/** False where there is no recorded installation: tests on native are skipped then. */
export const hasNative: boolean = readInstallation(prefix) !== null;

if (!hasNative && process.env["TFJS_QAT_REQUIRE_NATIVE"]) {
  throw new Error(
    `TFJS_QAT_REQUIRE_NATIVE: expected an installation in ${prefix}, received none. ` +
      `Run "tfjs-qat native install".`,
  );
}
