/** Real operations on TensorFlow with results that are known. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { ProtoWriter } from "../formats/protobuf.ts";
import { failure } from "./fail.ts";

/** The parts of TensorFlow.js' native backend that are used here. */
export interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    readonly TF_Version: string;
    readonly TF_ATTR_INT: number;
    readonly TF_ATTR_BOOL: number;
    readonly TF_FLOAT: number;
    createTensor(shape: readonly number[], type: number, values: Float32Array): number;
    tensorDataSync(id: number): Float32Array;
    deleteTensor(id: number): void;
    loadSavedModel(folder: string, tags: string): number;
    runSavedModel(
      session: number,
      inputs: readonly number[],
      inputNames: string,
      outputNames: string,
    ): { id: number }[];
    deleteSavedModel(session: number): void;
  };
  executeMultipleOutputs(
    operation: string,
    attributes: readonly { name: string; type: number; value: unknown }[],
    inputs: readonly tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
}

const TOLERANCE = 1e-6;
/** `DT_FLOAT` of TensorFlow's types. */
const FLOAT = 1;
/** A GraphDef version that every TensorFlow since 2.4 reads. */
const PRODUCER = 561;

/** A matrix product. @throws {KernelError} if it is another one */
export function checkProduct(): void {
  const product = tf.tidy(() =>
    tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])).dataSync(),
  );
  compare("matrix product", product, [19, 22, 43, 50]);
}

/**
 * Fake quantization to 8 bits of [0, 6], so steps of 6/255: −1 → 0, 0.1 → 4 steps, 2.99 → 127 steps,
 * 7 → 6. Its gradient passes inside; what is below goes to the minimum, what is above to the maximum.
 * @throws {KernelError} if values or gradients are others
 */
export function checkFakeQuant(backend: NativeBackend): void {
  const { TF_ATTR_INT, TF_ATTR_BOOL } = backend.binding;
  const attributes = [
    { name: "num_bits", type: TF_ATTR_INT, value: 8 },
    { name: "narrow_range", type: TF_ATTR_BOOL, value: false },
  ];
  tf.tidy(() => {
    const [x, min, max] = [tf.tensor1d([-1, 0.1, 2.99, 7]), tf.scalar(0), tf.scalar(6)];
    const name = "FakeQuantWithMinMaxVars";
    const [y] = backend.executeMultipleOutputs(name, attributes, [x, min, max], 1);
    compare("fake quantization", y!.dataSync(), [0, (4 * 6) / 255, (127 * 6) / 255, 6]);
    const gradients = backend.executeMultipleOutputs(
      `${name}Gradient`,
      attributes,
      [tf.tensor1d([1, 2, 3, 4]), x, min, max],
      3,
    );
    const expected = [[0, 2, 3, 0], [1], [4]];
    gradients.forEach((gradient, i) => {
      compare("gradient of fake quantization", gradient.dataSync(), expected[i]!);
    });
  });
}

/** A graph from a file: x·x + x. @throws {KernelError} if it gives something else */
export function checkGraph({ binding }: NativeBackend): void {
  const folder = mkdtempSync(join(tmpdir(), "tfjs-qat-graph-"));
  try {
    writeFileSync(join(folder, "saved_model.pb"), savedModel());
    const session = binding.loadSavedModel(folder, "serve");
    const x = binding.createTensor([2, 2], binding.TF_FLOAT, Float32Array.of(1, 2, 3, 4));
    const outputs = binding.runSavedModel(session, [x], "x:0", "sum:0");
    compare("captured graph", binding.tensorDataSync(outputs[0]!.id), [8, 12, 18, 26]);
    binding.deleteTensor(outputs[0]!.id);
    binding.deleteTensor(x);
    binding.deleteSavedModel(session);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function savedModel(): Uint8Array {
  const graph = new ProtoWriter()
    .message(1, node("x", "Placeholder", [], "dtype"))
    .message(1, node("product", "MatMul", ["x", "x"], "T"))
    .message(1, node("sum", "AddV2", ["product", "x"], "T"))
    .message(4, new ProtoWriter().varint(1, PRODUCER));
  const meta = new ProtoWriter().message(1, new ProtoWriter().string(4, "serve")).message(2, graph);
  return new ProtoWriter().varint(1, 1).message(2, meta).finish();
}

function node(
  name: string,
  operation: string,
  inputs: readonly string[],
  typeAttribute: string,
): ProtoWriter {
  const message = new ProtoWriter().string(1, name).string(2, operation);
  for (const input of inputs) message.string(3, input);
  const type = new ProtoWriter().varint(6, FLOAT);
  return message.message(5, new ProtoWriter().string(1, typeAttribute).message(2, type));
}

function compare(where: string, actual: ArrayLike<number>, expected: readonly number[]): void {
  const isSame =
    actual.length === expected.length &&
    expected.every((value, i) => Math.abs(value - actual[i]!) <= TOLERANCE * Math.max(1, value));
  if (isSame) return;
  throw failure(
    `TensorFlow's ${where}`,
    [expected.join(", "), Array.from(actual).join(", ")],
    `Try another version with --tensorflow.`,
  );
}
