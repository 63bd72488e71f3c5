/** Loads a binding and checks it with real operations: `verify-process.ts '{"kind":…,"folder":…}'`. */
import * as tf from "@tensorflow/tfjs";
import type { NativePlace } from "../backends/native/installation.ts";
import { loadNative } from "../backends/native/load.ts";
import { answer } from "./child.ts";
import { checkFakeQuant, checkGraph, checkProduct, type NativeBackend } from "./native-checks.ts";

await answer(async (input) => {
  loadNative({}, input as NativePlace);
  const isSet = await tf.setBackend("tensorflow");
  if (!isSet) throw new Error("TensorFlow.js could not start the backend");
  const backend = tf.backend() as unknown as NativeBackend;
  checkProduct();
  checkFakeQuant(backend);
  checkGraph(backend);
  return { tensorflow: backend.binding.TF_Version, gpu: backend.isUsingGpuDevice };
});
