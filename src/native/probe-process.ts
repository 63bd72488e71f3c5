/** Starts one backend and computes on it: `probe-process.ts '"wasm"'`. */
import * as tf from "@tensorflow/tfjs";
import { selectBackend, type BackendName } from "../backends/select.ts";
import { answer } from "./child.ts";
import { checkFakeQuant, checkGraph, checkProduct, type NativeBackend } from "./native-checks.ts";

await answer(async (input) => {
  const { execution, threads } = await selectBackend(input as BackendName);
  checkProduct();
  if (input !== "native") return { execution, threads };
  const backend = tf.backend() as unknown as NativeBackend;
  checkFakeQuant(backend);
  checkGraph(backend);
  const { TF_Version: tensorflow } = backend.binding;
  return { execution, threads, tensorflow, usesGpu: backend.isUsingGpuDevice };
});
