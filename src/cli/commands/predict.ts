import { z } from "zod";
import { defineCommand } from "../define-command.ts";
import { terminalReporter } from "../progress.ts";
import { DECODING_KEYS, recipeFlags } from "../recipe-flags.ts";

/** Translates text. */
export const predictCommand = defineCommand({
  name: "predict",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("model directory, checkpoint file or int8 export"),
    input: z.string().min(1).optional().describe("text file [default: standard input]"),
    output: z.string().min(1).optional().describe("file to write [default: standard output]"),
    ...recipeFlags(DECODING_KEYS),
  }),
  positionals: ["model_dir", "input"],
  examples: [
    ["predict qat/best < test.en > test.de", "translate standard input"],
    ["predict int8 test.en --beam_size 1 --json", "one JSON object with scores"],
  ],
  async run({ model_dir: path, input, output, ...flags }, io) {
    const { readAllLines } = await import("../../data/text-file.ts");
    const { linesOf } = await import("../../recipe/text-tools.ts");
    const { translateText } = await import("../../recipe/translate-text.ts");
    const lines = input === undefined ? linesOf(await io.readInput()) : await readAllLines(input);
    const reporter = terminalReporter(io);
    const json = await translateText(path, lines, { flags, reporter, signal: io.signal });
    const best = json.translations.map((translations) => translations[0]!.text);
    if (output === undefined) return { json, text: best.length === 0 ? null : best.join("\n") };
    const { writeFileAtomic } = await import("../../data/atomic-file.ts");
    writeFileAtomic(output, best.map((line) => `${line}\n`).join(""));
    const { backend, model } = json;
    const figures = { backend, model, sentences: best.length, output };
    return { json: figures, text: `${output}: ${best.length} lines` };
  },
});
