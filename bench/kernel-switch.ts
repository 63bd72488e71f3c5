/** Takes our kernels away and puts them back, so that a process can run both forms. */
import * as tf from "@tensorflow/tfjs";
import { selectBackend } from "../src/backends/select.ts";
import { KERNEL_NAMES, type KernelName } from "../src/ops/kernel.ts";

function ourKernels(): tf.KernelConfig[] {
  const names: readonly string[] = KERNEL_NAMES;
  return tf.getKernelsForBackend(WASM).filter(({ kernelName }) => names.includes(kernelName));
}

const WASM = "wasm";

/** The wasm backend as published and as ours; every change is quick and complete. */
export class KernelSwitch {
  readonly #published: ReadonlyMap<string, tf.KernelFunc>;
  readonly #ours: ReadonlyMap<string, tf.KernelFunc>;
  readonly #added: readonly tf.KernelConfig[];
  #isOurs = true;
  /** Those of our kernels that are left out. */
  #missing: readonly tf.KernelConfig[] = [];

  private constructor(published: ReadonlyMap<string, tf.KernelFunc>) {
    this.#published = published;
    this.#ours = kernelFunctions();
    this.#added = ourKernels();
  }

  /** Selects the wasm backend with our kernels. */
  static async install(): Promise<KernelSwitch> {
    await import("@tensorflow/tfjs-backend-wasm");
    const published = kernelFunctions();
    await selectBackend(WASM);
    return new KernelSwitch(published);
  }

  /** Our kernels, but those named, and our versions of the backend's own. */
  useOurs(without: readonly KernelName[] = []): void {
    this.#useAllOurs();
    const names: readonly string[] = without;
    this.#missing = this.#added.filter(({ kernelName }) => names.includes(kernelName));
    for (const { kernelName } of this.#missing) tf.unregisterKernel(kernelName, WASM);
  }

  #useAllOurs(): void {
    this.#restore();
    if (this.#isOurs) return;
    for (const kernel of this.#added) tf.registerKernel(kernel);
    this.#assign(this.#ours);
    this.#isOurs = true;
  }

  /** Compositions of the backend's own kernels, as published. */
  useStock(): void {
    this.#restore();
    if (!this.#isOurs) return;
    for (const { kernelName } of this.#added) tf.unregisterKernel(kernelName, WASM);
    this.#assign(this.#published);
    this.#isOurs = false;
  }

  #restore(): void {
    for (const kernel of this.#missing) tf.registerKernel(kernel);
    this.#missing = [];
  }

  #assign(functions: ReadonlyMap<string, tf.KernelFunc>): void {
    for (const kernel of tf.getKernelsForBackend(WASM)) {
      kernel.kernelFunc = functions.get(kernel.kernelName) ?? kernel.kernelFunc;
    }
  }
}

function kernelFunctions(): Map<string, tf.KernelFunc> {
  return new Map(
    tf.getKernelsForBackend(WASM).map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]),
  );
}
