/** The command line of the benchmarks. */
import { parseArgs } from "node:util";
import { MAX_THREADS } from "../src/backends/max-threads.ts";
import { ConfigError, UnknownNameError } from "../src/errors.ts";
import type { NativeOptions } from "./native.ts";
import { NATIVE_WORKLOAD_NAMES, type NativeWorkloadName } from "./native-variants.ts";
import { NATIVE_THREADS } from "./settings.ts";

const SUBCOMMANDS = ["step", "native", "kernels", "recurrent", "decode", "ptq"] as const;

export type Subcommand = (typeof SUBCOMMANDS)[number];

const MAX_TURNS = 1000;

/** What to measure, and how to print it. */
export interface BenchArguments {
  readonly subcommand: Subcommand;
  /** One object on standard output instead of tables. */
  readonly json: boolean;
  /** A Python with PyTorch, or null to leave it out. */
  readonly python: string | null;
  /** What native is to measure; null for other subcommands. */
  readonly native: Omit<NativeOptions, "python"> | null;
}

export const HELP = `usage: npm run bench -- <step|kernels|recurrent|decode|ptq> [--json] [--python PATH]
       npm run bench -- native [--threads N] [--workload NAME ...] [--turns N] [--json]
                               [--python PATH]

  step     time of a training step: plain TensorFlow.js, this package in float and with fake
           quantization, and PyTorch where --python names one
  native   time of a training step on TensorFlow: captured as a graph, with XLA and without, and
           operation by operation, beside wasm and PyTorch, eager and by torch.compile
  kernels  time of each kernel against the composition of TensorFlow.js operations
  recurrent  time of an LSTM layer, forward and backward: as one kernel for the sequence, step by
           step, and as TensorFlow.js' own layer
  decode   output tokens a second of beam search, cost against length, evaluation
  ptq      beam search by the float GNMT, quantized after training, and while it is calibrated

  --json         one object with all samples on standard output; tables otherwise (Markdown)
  --python PATH  for step and native: a Python that has PyTorch, such as .venv/bin/python
  --help         this text

for native:
  --threads N      threads of every program [default: ${NATIVE_THREADS}]
  --workload NAME  ${NATIVE_WORKLOAD_NAMES.join(", ")}; may be given several times [default: all]
  --turns N        turns of each program [default: by workload, 3 to 7]

One thread but for native, one process at work at a time. Progress goes to standard error.`;

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
  if (python !== null && subcommand !== "step" && subcommand !== "native") {
    throw new ConfigError(
      `bench ${subcommand}: expected no --python, received "${python}". ` +
        "Only step and native have a PyTorch program; leave it out.",
    );
  }
  const native = subcommand === "native" ? nativeOptions(values) : null;
  if (native === null) refuseNativeFlags(subcommand, values);
  return { subcommand, json: values.json, python, native };
}

type Values = ReturnType<typeof parsed>["values"];

function nativeOptions({ threads, turns, workload = [] }: Values): BenchArguments["native"] {
  const workloads = workload.map((name): NativeWorkloadName => {
    const known = NATIVE_WORKLOAD_NAMES.find((known) => known === name);
    if (known !== undefined) return known;
    throw new UnknownNameError("bench native", "workload", name, NATIVE_WORKLOAD_NAMES);
  });
  return {
    workloads: workloads.length === 0 ? NATIVE_WORKLOAD_NAMES : workloads,
    threads: wholeNumber("threads", threads, MAX_THREADS) ?? NATIVE_THREADS,
    turns: wholeNumber("turns", turns, MAX_TURNS),
  };
}

function wholeNumber(name: string, value: string | undefined, most: number): number | null {
  if (value === undefined) return null;
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= 1 && number <= most) return number;
  throw new ConfigError(
    `bench native: expected a whole number from 1 to ${most} as --${name}, received "${value}". ` +
      "Give such a number, or leave it out.",
  );
}

function refuseNativeFlags(subcommand: Subcommand, values: Values): void {
  const given = (["threads", "turns", "workload"] as const).find((name) => name in values);
  if (given === undefined) return;
  throw new ConfigError(
    `bench ${subcommand}: expected no --${given}, received "${String(values[given])}". ` +
      "It belongs to native; leave it out.",
  );
}

function parsed(argv: readonly string[]) {
  const options = {
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
    python: { type: "string" },
    threads: { type: "string" },
    turns: { type: "string" },
    workload: { type: "string", multiple: true },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    throw new ConfigError(
      `bench: expected the flags of --help, received another flag (${reason}). ` + "See --help.",
      { cause: error },
    );
  }
}
