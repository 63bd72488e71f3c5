/**
 * The main job, end to end: a float translation model becomes an int8 model, with the figures to
 * compare them. `npm start`, or `npm start -- --json` for one object on standard output.
 */
import { rmSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { loadModel, selectBackend, terminalReporter } from "tfjs-qat";
import { reportOf, samplesOf, tableOf } from "./report.ts";
import { DEV_SENTENCES, OUTPUT, PRETRAINED, TEST_SENTENCES, TRAIN_STEPS } from "./settings.ts";
import { chooseLines, compareCodes, exportAndReload, fineTune, scoreModel } from "./steps.ts";

const unknown = process.argv.slice(2).filter((argument) => argument !== "--json");
if (unknown.length > 0) {
  console.error(`quickstart: expected --json or nothing, received "${unknown[0]!}". Remove it.`);
  process.exit(2);
}
const json = process.argv.includes("--json");

const interruption = new AbortController();
process.once("SIGINT", () => {
  interruption.abort();
});
const now = (): number => performance.now() / 1000;
const isTerminal = process.stderr.isTTY;
const reporter = terminalReporter({
  err: (line) => process.stderr.write(`${line}\n`),
  draw: (text) => process.stderr.write(text),
  isTerminal,
  hasColor: isTerminal && (process.env["NO_COLOR"] ?? "") === "",
  columns: isTerminal ? process.stderr.columns : 100,
  now,
});

async function quickstart(): Promise<void> {
  const start = now();
  rmSync(OUTPUT, { recursive: true, force: true });
  const { backend } = await selectBackend("wasm");
  const test = chooseLines("test", TEST_SENTENCES);
  chooseLines("dev", DEV_SENTENCES);

  reporter.note(`1/6 load the pretrained model (${shown(PRETRAINED)})`);
  const float = loadModel(PRETRAINED);

  reporter.note(`2/6 translate ${TEST_SENTENCES} test sentences in float`);
  const floatRow = await scoreModel("float", float, test, reporter, null);
  float.model.dispose();

  reporter.note("3/6 quantize after training: calibrate, export, reload, translate");
  await fineTune(`${OUTPUT}/ptq`, 0, reporter, interruption.signal);
  const ptq = exportAndReload(`${OUTPUT}/ptq`, `${OUTPUT}/ptq_int8`);
  const ptqRow = await scoreModel("ptq_int8", ptq, test, reporter, 0);
  ptq.model.dispose();

  reporter.note(`4/6 fine-tune with fake quantization for ${TRAIN_STEPS} steps`);
  const step = await fineTune(`${OUTPUT}/qat`, TRAIN_STEPS, reporter, interruption.signal);

  reporter.note("5/6 export int8, reload, translate");
  const qat = exportAndReload(`${OUTPUT}/qat`, `${OUTPUT}/qat_int8`);
  const qatRow = await scoreModel("qat_int8", qat, test, reporter, step);

  reporter.note("6/6 compare with the integer reference executor");
  const parity = await compareCodes(`${OUTPUT}/qat_int8`, qat, test, reporter);
  qat.model.dispose();

  const rows = [floatRow, ptqRow, qatRow];
  const { codes, different } = parity;
  const report = reportOf(backend, rows, { codes, different }, now() - start);
  const text = `${JSON.stringify(report, null, 2)}\n`;
  writeFileSync(`${OUTPUT}/report.json`, text);
  if (json) {
    process.stdout.write(text);
    return;
  }
  console.log(`
${tableOf(rows)}

BLEU: ${floatRow.bleu.signature}, ${TEST_SENTENCES} test sentences, beam 4, length penalty 0.6
integer reference executor: ${different} of ${codes.toLocaleString("en-US")} codes different

${samplesOf(rows, test)}

int8 model    ${shown(`${OUTPUT}/qat_int8`)}
checkpoints   ${shown(`${OUTPUT}/qat`)}
this report   ${shown(`${OUTPUT}/report.json`)}
${report.seconds.toFixed(0)} s on ${backend}`);
}

function shown(path: string): string {
  return relative(process.cwd(), path);
}

try {
  await quickstart();
} catch (error) {
  if (interruption.signal.aborted) process.exit(130);
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
