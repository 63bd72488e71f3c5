/** Adds up the totals of vitest's JSON reports (arguments) and prints `tests: N passed, N failed`. */
import { readFileSync } from "node:fs";

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly unknown[];
  }[];
}

let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(path, "utf8")) as VitestReport;
  passed += report.numPassedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  // A file that fails to load has no failed test of its own.
  const unloaded = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  failed += report.numFailedTests + unloaded.length;
}
const skips = skipped > 0 ? `, ${skipped} skipped` : "";
console.log(`tests: ${passed} passed, ${failed} failed${skips}`);
if (failed > 0 || passed === 0) process.exitCode = 1;
