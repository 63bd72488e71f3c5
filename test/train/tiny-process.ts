/** A training run as a process of its own, to be killed: `tiny-process.ts MODEL_DIR`. */
import { writeSync } from "node:fs";
import { selectBackend } from "../../src/backends/select.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { makeTinyModel, QUANT, tinyOptions, tinyValidation } from "./tiny-run.ts";

const modelDir = process.argv[2]!;
await selectBackend("wasm");
const model = makeTinyModel(QUANT, "dp0.1");
const validation = tinyValidation(modelDir, { everySteps: 3 });
const settings = { trainSteps: 60, checkpointSteps: 4, validation };
const trainer = new Trainer(tinyOptions(modelDir, model, settings));
writeSync(1, `from ${trainer.resumedFrom ?? 0}\n`);
await trainer.train();
trainer.dispose();
// The wasm backend's workers would keep the process alive.
process.exit(0);
