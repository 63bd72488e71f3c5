/** Which backends work on a machine, tried one by one in processes of their own. */
import { version_core as tfjsVersion } from "@tensorflow/tfjs";
import type { BackendName } from "../backends/select.ts";
import { packageVersion } from "../recipe/package-version.ts";
import { askScript } from "./child.ts";
import type { Host } from "./host.ts";
import { gpusOf, processorOf, readCpuinfo, type Processor } from "./machine.ts";
import { nativeStatus, type NativeStatus } from "./status.ts";

/** One backend's answer. */
export interface BackendHealth {
  readonly name: Exclude<BackendName, "auto">;
  readonly is_usable: boolean;
  /** What runs, or why nothing does. */
  readonly detail: string;
  /** What to do about it; null where all is well. */
  readonly advice: string | null;
}

/** All answers. */
export interface DoctorReport {
  readonly versions: {
    readonly "tfjs-qat": string;
    readonly node: string;
    readonly tfjs: string;
    /** Null where it is not installed or does not load. */
    readonly tensorflow: string | null;
  };
  readonly processor: Processor;
  readonly gpus: readonly string[];
  /** Whether TensorFlow computes on a GPU; null where it does not load. */
  readonly uses_gpu: boolean | null;
  readonly wasm_simd: boolean;
  readonly backends: readonly BackendHealth[];
  /** What `--backend auto` takes; null if nothing works. */
  readonly auto: BackendHealth["name"] | null;
}

interface Probed {
  readonly execution: string;
  readonly threads: number;
  readonly tensorflow?: string;
  readonly usesGpu?: boolean;
}

/** A module with one vector instruction: it is valid where WebAssembly has SIMD. */
const SIMD_MODULE = Uint8Array.from([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0],
  ...[65, 0, 253, 15, 253, 98, 11],
]);

/** Tries every backend. */
export async function examine(host: Host, signal: AbortSignal): Promise<DoctorReport> {
  const gpus = await gpusOf(host);
  const native = await nativeHealth(host, gpus, signal);
  const others = [await probe(host, "wasm", signal), await probe(host, "cpu", signal)];
  const backends = [native.health, ...others];
  return {
    versions: {
      "tfjs-qat": packageVersion(),
      node: host.node.version,
      tfjs: tfjsVersion,
      tensorflow: native.probed?.tensorflow ?? null,
    },
    processor: processorOf(readCpuinfo()),
    gpus,
    uses_gpu: native.probed?.usesGpu ?? null,
    wasm_simd: WebAssembly.validate(SIMD_MODULE),
    backends,
    auto: backends.find((backend) => backend.is_usable)?.name ?? null,
  };
}

async function nativeHealth(
  host: Host,
  gpus: readonly string[],
  signal: AbortSignal,
): Promise<{ health: BackendHealth; probed: Probed | null }> {
  const name = "native";
  const absent = (detail: string, advice: string) => {
    return { health: { name, is_usable: false, detail, advice }, probed: null } as const;
  };
  const again = `run "tfjs-qat native install"`;
  let status: NativeStatus;
  try {
    status = nativeStatus(host);
  } catch (error) {
    return absent((error as Error).message, again);
  }
  if (status.status === "absent") return absent(`not installed in ${status.prefix}`, again);
  if (status.status === "incomplete") {
    return absent(`${status.missing.join(" and ")} is missing`, again);
  }
  const result = await askScript(host, "probe-process", name, { signal });
  if (!result.isOk) {
    const remove = `"tfjs-qat native remove" and "tfjs-qat native install" make it anew`;
    return absent(`${status.package!} does not work: ${result.reason}`, remove);
  }
  const probed = result.value as Probed;
  const device = probed.usesGpu === true ? "GPU" : `CPU, ${probed.threads} threads`;
  const detail = `TensorFlow ${probed.tensorflow!} on the ${device}: ${status.package!}`;
  const advice = gpuAdvice(status, gpus, probed.usesGpu === true);
  return { health: { name, is_usable: true, detail, advice }, probed };
}

function gpuAdvice(
  { installation }: NativeStatus,
  gpus: readonly string[],
  usesGpu: boolean,
): string | null {
  if (gpus.length === 0 || usesGpu) return null;
  return installation?.variant === "cuda"
    ? `TensorFlow does not see the GPU: run with --tf_log_level 0 to read why`
    : `there is a GPU: "tfjs-qat native install --cuda" installs TensorFlow for it`;
}

async function probe(
  host: Host,
  name: "wasm" | "cpu",
  signal: AbortSignal,
): Promise<BackendHealth> {
  const result = await askScript(host, "probe-process", name, { signal });
  if (!result.isOk) {
    const advice = "use another backend";
    return { name, is_usable: false, detail: `does not work: ${result.reason}`, advice };
  }
  const { execution } = result.value as Probed;
  const detail = { compiled: "compiled kernels", loops: "kernels as JavaScript loops" }[execution];
  const advice =
    name === "wasm" && execution === "loops" ? "use a Node with WebAssembly SIMD" : null;
  return { name, is_usable: true, detail: detail ?? "no kernels of ours", advice };
}
