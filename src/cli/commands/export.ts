import { z } from "zod";
import { defineCommand } from "../define-command.ts";

/** Exports a quantized model. */
export const exportCommand = defineCommand({
  name: "export",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("directory or checkpoint of a quantized model"),
    output: z.string().min(1).describe("directory to write"),
  }),
  positionals: ["model_dir"],
  examples: [["export qat/best --output int8", "the best checkpoint of a run"]],
  async run(flags) {
    const { exportModel } = await import("../../recipe/export-model.ts");
    const json = await exportModel(flags.model_dir, flags.output);
    const half = json.float16_weights === 0 ? "" : `${json.float16_weights} float16 weights, `;
    const share = ((100 * json.bytes) / json.float_bytes).toFixed(1);
    return {
      json,
      text:
        `${json.output}: ${json.quantized_weights} int8 weights, ${half}${json.bytes} bytes ` +
        `(${share} % of the float weights)`,
    };
  },
});
