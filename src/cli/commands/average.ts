import { z } from "zod";
import { commaList } from "../../recipe/flags.ts";
import { defineCommand } from "../define-command.ts";

/** Averages checkpoints. */
export const averageCommand = defineCommand({
  name: "average",
  flags: z.strictObject({
    checkpoints: commaList.describe("checkpoint files, or directories with all their checkpoints"),
    output: z.string().min(1).describe("directory to write; it must be new or empty"),
  }),
  positionals: ["checkpoints"],
  examples: [
    ["average qat/best --output averaged", "mean of the best checkpoints"],
    ["average --checkpoints a/ckpt-100.safetensors,a/ckpt-200.safetensors --output ab", "of two"],
  ],
  async run(flags) {
    const { averageCheckpoints } = await import("../../recipe/average-checkpoints.ts");
    const json = averageCheckpoints(flags.checkpoints, flags.output);
    return { json, text: `${json.output}: mean of ${json.checkpoints.length} checkpoints` };
  },
});
