/** The command line of the benchmarks. */
import { parseArgs } from "node:util";
import { ConfigError, UnknownNameError } from "../src/errors.ts";

const SUBCOMMANDS = ["step", "kernels", "decode"] as const;

export type Subcommand = (typeof SUBCOMMANDS)[number];

/** What to measure, and how to print it. */
export interface BenchArguments {
  readonly subcommand: Subcommand;
  /** One object on standard output instead of tables. */
  readonly json: boolean;
  /** A Python with PyTorch, or null to leave it out. */
  readonly python: string | null;
}

export const HELP = `usage: npm run bench -- <step|kernels|decode> [--json] [--python PATH]

  step     time of a training step: plain TensorFlow.js, this package in float and with fake
           quantization, and PyTorch where --python names one
  kernels  time of each kernel against the composition of TensorFlow.js operations
  decode   output tokens a second of beam search, cost against length, evaluation

  --json         one object with all samples on standard output; tables otherwise (Markdown)
  --python PATH  for step: a Python that has PyTorch, such as .venv/bin/python
  --help         this text

One thread, one process at work at a time. Progress goes to standard error.`;

/**
 * Reads the arguments.
 * @returns null where help is asked for
 * @throws {ConfigError} or {@link UnknownNameError} for what is not understood
 */
export function parseBenchArguments(argv: readonly string[]): BenchArguments | null {
  const { values, positionals } = parsed(argv);
  if (values.help) return null;
  const [name, surplus] = positionals;
  if (surplus !== undefined) {
    throw new ConfigError(
      `bench: expected one subcommand, received "${name!}" and "${surplus}". Run them one by one.`,
    );
  }
  if (name === undefined) {
    throw new ConfigError(
      `bench: expected ${SUBCOMMANDS.join(", ")} or --help, received nothing. Name one of them.`,
    );
  }
  const subcommand = SUBCOMMANDS.find((known) => known === name);
  if (subcommand === undefined) {
    throw new UnknownNameError("bench", "subcommand", name, SUBCOMMANDS);
  }
  const python = values.python ?? null;
  if (python !== null && subcommand !== "step") {
    throw new ConfigError(
      `bench ${subcommand}: expected no --python, received "${python}". ` +
        "Only step has a PyTorch program; leave it out.",
    );
  }
  return { subcommand, json: values.json, python };
}

function parsed(argv: readonly string[]) {
  const options = {
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
    python: { type: "string" },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    throw new ConfigError(
      `bench: expected --json, --python PATH or --help, received another flag (${reason}). ` +
        "See --help.",
      { cause: error },
    );
  }
}
