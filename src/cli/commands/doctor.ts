import { z } from "zod";
import type { DoctorReport } from "../../native/doctor.ts";
import { defineCommand } from "../define-command.ts";

/** Says which backends work. */
export const doctorCommand = defineCommand({
  name: "doctor",
  flags: z.strictObject({}),
  examples: [
    ["doctor", "try every backend"],
    ["doctor --json", "the same for programs"],
  ],
  async run(_flags, io) {
    const { examine } = await import("../../native/doctor.ts");
    const { thisHost } = await import("../../native/host.ts");
    const json = await examine(thisHost(), io.signal);
    return { json, text: doctorText(json), exitCode: json.auto === null ? 1 : 0 };
  },
});

/** The report for people. */
export function doctorText(report: DoctorReport): string {
  const { versions, processor, gpus, uses_gpu: usesGpu, wasm_simd: hasSimd, auto } = report;
  const known = Object.entries(versions).filter(([, version]) => version !== null);
  const seen = usesGpu === true ? " (used by TensorFlow)" : "";
  const backends = report.backends.flatMap(({ name, is_usable: isUsable, detail, advice }) => [
    `${name.padEnd(6)}  ${isUsable ? "usable" : "not usable"}: ${detail}`,
    ...(advice === null ? [] : [`        ${advice}`]),
  ]);
  return [
    known.map(([name, version]) => `${name} ${version!}`).join(", "),
    `processor: ${processor.model}, ${processor.threads} threads, ${processor.features.join(" ") || "features unknown"}`,
    `GPUs: ${gpus.length === 0 ? "none seen" : gpus.join("; ") + seen}`,
    `WebAssembly SIMD: ${hasSimd ? "yes" : "no"}`,
    "",
    ...backends,
    "",
    `--backend auto takes: ${auto ?? "nothing works here"}`,
  ].join("\n");
}
