/** Shows the integers of a trained weight: `npx tsx examples/view-quant-weight/main.ts MODEL_DIR`. */
import { loadModel, selectBackend } from "tfjs-qat";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error("view-quant-weight: expected a model directory, received nothing. Give one.");
  process.exit(2);
}
await selectBackend("cpu");
const { model } = loadModel(directory);
const path = "SequenceToSequence/TransformerEncoder/layer_0/ffn_prepost_wrapper/ffn/dense1";
const dense1 = model.layers().find((layer) => layer.name === path)!;
const { codes, shape, min, max } = dense1.quantizedWeight("kernel");

console.log("The quantized weight of encoder layer 0's first feed-forward kernel");
const columns = shape[1]!;
for (let row = 0; row < 6; row++) {
  console.log(codes.subarray(row * columns, row * columns + 12).join("\t"), "\t…");
}
console.log("shape", shape, "output_min", min[0], "output_max", max[0]);
model.dispose();
