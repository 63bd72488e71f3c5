/** What a machine computes with: the processor's vector instructions, and GPUs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { Host } from "./host.ts";

/** The processor. */
export interface Processor {
  readonly model: string;
  /** Processors that this process may use. */
  readonly threads: number;
  /** Those vector instructions that TensorFlow has code for; empty where the system does not say. */
  readonly features: readonly string[];
}

/** Names in /proc/cpuinfo, of x64 and of arm64. */
const FEATURES =
  /^(sse4_1|sse4_2|avx|avx2|fma|f16c|avx512f|avx512bw|avx512_vnni|avx512_bf16|avx_vnni|amx_tile|amx_int8|amx_bf16|asimd|asimddp|sve|i8mm|bf16)$/;

/** @param cpuinfo the system's list of processors, as text */
export function processorOf(cpuinfo: string): Processor {
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "";
  return {
    model: cpus()[0]?.model.trim() || "unknown",
    threads: availableParallelism(),
    features: flags.split(/\s+/).filter((flag) => FEATURES.test(flag)),
  };
}

/** This machine's list of processors; empty where there is no such file. */
export function readCpuinfo(): string {
  return existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
}

/** GPUs that NVIDIA's tool lists, or else its driver; empty where there are none. */
export async function gpusOf(host: Host, driver = "/proc/driver/nvidia/gpus"): Promise<string[]> {
  const fields = "--query-gpu=name,memory.total,driver_version";
  const ran = await host.run("nvidia-smi", [fields, "--format=csv,noheader"]);
  const lines = ran.stdout.split("\n").map((line) => line.trim());
  if (ran.code === 0) return lines.filter((line) => line !== "");
  if (!existsSync(driver)) return [];
  return readdirSync(driver).map((name) => {
    const text = readFileSync(join(driver, name, "information"), "utf8");
    return /^Model:\s*(.*)$/m.exec(text)?.[1] ?? name;
  });
}
