/** What a run needs besides its modules: where, from what, and how it is quantized. */
import { z } from "zod";
import { MAX_THREADS } from "../backends/max-threads.ts";
import { quantParamsSchema } from "../quant/config.ts";
import { defineSection } from "./section.ts";

export const runSection = defineSection({
  summary: "the run itself",
  defaultClass: "run",
  classes: {
    run: {
      summary: "settings that belong to no module",
      params: z.strictObject({
        model_dir: z
          .string()
          .min(1)
          .optional()
          .meta({
            description:
              "directory of the model and its checkpoints; the entry predict takes several, " +
              "separated by commas, as an ensemble",
            path: true,
          }),
        hparams_set: z
          .string()
          .min(1)
          .optional()
          .describe("named architecture, such as transformer_base or transformer_128_3e_3d_4h"),
        enable_quant: z
          .boolean()
          .default(false)
          .describe("train or evaluate with fake quantization"),
        quant_params: quantParamsSchema
          .partial()
          .optional()
          .describe("quantization settings; merged key by key over weaker sources"),
        seed: z
          .int()
          .min(0)
          .max(2 ** 31 - 1)
          .default(1)
          .describe("seed of initial weights, shuffling and dropout"),
        backend: z
          .enum(["auto", "native", "wasm", "cpu"])
          .default("auto")
          .describe("what computes; auto: native where it is installed, else wasm, else cpu"),
        enable_xla: z
          .boolean()
          .default(false)
          .describe("compile captured steps by XLA, on native: slower to start, sometimes faster"),
        threads: z.int().min(1).max(MAX_THREADS).optional().meta({
          description: "threads that compute; on wasm the results do not depend on their number",
          defaultText: "1 on wasm, all processors on native",
        }),
        memory_growth: z.boolean().optional().meta({
          description: "on native, take a GPU's memory as it is needed, not all at once",
          defaultText: "true",
        }),
        tf_log_level: z.int().min(0).max(3).optional().meta({
          description:
            "on native, what TensorFlow's log leaves out: 0 nothing, 3 all but fatal errors",
          defaultText: "3",
        }),
      }),
    },
  },
});
