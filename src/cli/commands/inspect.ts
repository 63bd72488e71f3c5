import { z } from "zod";
import type {
  CodesReport,
  ModelReport,
  PerChannel,
  TensorReport,
} from "../../recipe/tensor-report.ts";
import { defineCommand, type CommandResult } from "../define-command.ts";
import { formatMatrix } from "../matrix.ts";
import { formatTable } from "../table.ts";

/** Shows the tensors of a model. */
export const inspectCommand = defineCommand({
  name: "inspect",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("model directory, checkpoint file or int8 export"),
    weight: z.string().min(1).optional().describe("short path or full name of one weight"),
  }),
  positionals: ["model_dir"],
  examples: [
    ["inspect qat/best", "a table of all tensors"],
    ["inspect qat/best --weight encoder/layer_0/ffn/dense1/kernel", "the integers of one weight"],
  ],
  async run({ model_dir: path, weight }) {
    const { inspectModel, weightReport } = await import("../../recipe/inspect-model.ts");
    const report = await inspectModel(path);
    return weight === undefined ? all(report) : one(report, weightReport(report, weight));
  },
});

function all({ path, format, step, tensors }: ModelReport): CommandResult {
  const columns = ["path", "shape", "dtype", "bits", "clip", "scale", "saturated"];
  const rows = tensors.map((tensor) => [
    tensor.path,
    `[${tensor.shape.join(", ")}]`,
    tensor.role === "activation range" && tensor.dtype !== "float16" ? "range" : tensor.dtype,
    tensor.bits === null ? "" : String(tensor.bits),
    numberText(tensor.clip),
    numberText(tensor.scale),
    tensor.saturated === null ? "" : `${(100 * tensor.saturated).toFixed(3)} %`,
  ]);
  const table = formatTable(
    columns.map((title, i) => ({ title, isNumber: i >= 3 })),
    rows,
  );
  const at = step === null ? "" : `, step ${step}`;
  return {
    json: { path, format, step, tensors },
    text: `${path}: ${format} model${at}\n\n${table}`,
  };
}

function one(report: ModelReport, tensor: TensorReport | CodesReport): CommandResult {
  if (!("codes" in tensor)) {
    const text =
      `${tensor.path}\n${tensor.dtype}, shape [${tensor.shape.join(", ")}]: not quantized in this ` +
      `${report.format} model`;
    return { json: { format: report.format, ...tensor }, text };
  }
  const { codes, ...figures } = tensor;
  const text = [
    tensor.path,
    formatMatrix(codes, tensor.shape),
    `shape [${tensor.shape.join(", ")}], ${tensor.dtype} (${tensor.bits!} bits)`,
    `output_min ${tensor.output_min!}`,
    `output_max ${tensor.output_max!}`,
    `scale      ${numberText(tensor.scale)}`,
    `clip       ${numberText(tensor.clip)}`,
    `used levels ${tensor.used_levels!} of ${2 ** tensor.bits!}, ` +
      `saturated ${(100 * tensor.saturated!).toFixed(3)} %`,
  ].join("\n");
  return { json: { format: report.format, ...figures, codes: Array.from(codes) }, text };
}

function numberText(value: PerChannel | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(Number(value.toPrecision(7)));
  const [low, high] = [Math.min(...value), Math.max(...value)].map((v) => v.toPrecision(4));
  return `${low!} … ${high!}`;
}
