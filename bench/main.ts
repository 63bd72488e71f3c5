/** The benchmarks: `npm run bench -- step|native|kernels|recurrent|decode|ptq`, see `--help` and docs/performance.md. */
import { TfjsQatError } from "../src/errors.ts";
import { HELP, parseBenchArguments, type BenchArguments } from "./arguments.ts";
import { measureDecoding } from "./decode.ts";
import { decodeReport, decodeJson } from "./decode-report.ts";
import { measureKernels } from "./kernels.ts";
import { kernelsReport } from "./kernels-report.ts";
import { measureNative } from "./native.ts";
import { nativeJson, nativeReport } from "./native-report.ts";
import { measurePtq } from "./ptq.ts";
import { ptqReport } from "./ptq-report.ts";
import { measureRecurrent } from "./recurrent.ts";
import { recurrentReport } from "./recurrent-report.ts";
import { measureSteps } from "./step.ts";
import { stepJson, stepReport } from "./step-report.ts";

/** Exit status of a command line that is not understood. */
const WRONG_USAGE = 2;

const note = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function measure({ subcommand, python, native }: BenchArguments): Promise<[string, unknown]> {
  switch (subcommand) {
    case "step": {
      const samples = await measureSteps(python, note);
      return [stepReport(samples), stepJson(samples)];
    }
    case "native": {
      const samples = await measureNative({ ...native!, python }, note);
      return [nativeReport(samples), nativeJson(samples)];
    }
    case "kernels": {
      const samples = await measureKernels(note);
      return [kernelsReport(samples), samples];
    }
    case "recurrent": {
      const samples = await measureRecurrent(note);
      return [recurrentReport(samples), samples];
    }
    case "ptq": {
      const samples = await measurePtq(note);
      return [ptqReport(samples), samples];
    }
    case "decode": {
      const samples = await measureDecoding(note);
      return [decodeReport(samples), decodeJson(samples)];
    }
  }
}

try {
  const options = parseBenchArguments(process.argv.slice(2));
  if (options === null) {
    console.log(HELP);
  } else {
    const [report, samples] = await measure(options);
    console.log(options.json ? JSON.stringify(samples, null, 2) : report);
  }
} catch (error) {
  note(error instanceof TfjsQatError ? error.message : String((error as Error).stack ?? error));
  const isUsage =
    error instanceof TfjsQatError && (error.code === "E_CONFIG" || error.code === "E_UNKNOWN_NAME");
  process.exitCode = isUsage ? WRONG_USAGE : 1;
}
