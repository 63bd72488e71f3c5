/** What the native benchmark compares: workloads, and the programs that train on each. */
import type { LstmSize } from "./lstm-data.ts";
import type { OurMode } from "./native-protocol.ts";
import type { TorchJob } from "./python.ts";
import { BASE, GNMT, REFERENCE, type AnyWorkload } from "./workloads.ts";

/** How a program makes its steps. */
export type Mode = OurMode | "torch" | "torch compiled";

/** One program in one kind of arithmetic. */
export interface NativeVariant {
  readonly mode: Mode;
  readonly quantized: boolean;
}

/** One table. */
export interface NativeWorkload {
  readonly name: NativeWorkloadName;
  readonly title: string;
  /** The model to train, or null for the LSTM stack. */
  readonly model: AnyWorkload | null;
  /** The program that trains it in PyTorch. */
  readonly program: TorchJob["program"];
  readonly modes: readonly Mode[];
  /** Whether float is measured first and QAT after it, since there is no memory for all at once. */
  readonly isApart: boolean;
  /** Turns of each variant, and steps of a turn, of which the first is not counted. */
  readonly turns: number;
  readonly steps: number;
  /** Steps before the first turn: graphs are made in them. */
  readonly warmUpSteps: number;
  /** What the project aims at. */
  readonly aims: readonly Aim[];
}

/** A ratio of times that is to be reached: `limit` at most. */
export interface Aim {
  readonly above: NativeVariant;
  readonly below: NativeVariant;
  readonly limit: number;
}

export const NATIVE_WORKLOAD_NAMES = ["reference", "base", "lstm", "gnmt"] as const;

export type NativeWorkloadName = (typeof NATIVE_WORKLOAD_NAMES)[number];

export const LSTM_SIZE: LstmSize = {
  ...{ layers: 4, width: 256, time: 24, batch: 64, batches: 6 },
  ...{ gatesClip: 4, hiddenClip: 1 },
};

const float = (mode: Mode): NativeVariant => ({ mode, quantized: false });
const qat = (mode: Mode): NativeVariant => ({ mode, quantized: true });

/** A step as a graph against PyTorch's, and QAT against float. */
function aimsOf(limits: { float: number; qat: number; qatToFloat: number }): Aim[] {
  return (["captured", "xla"] as const).flatMap((mode) => [
    { above: float(mode), below: float("torch"), limit: limits.float },
    { above: qat(mode), below: qat("torch"), limit: limits.qat },
    { above: qat(mode), below: float(mode), limit: limits.qatToFloat },
  ]);
}

const { layers, width, time, batch } = LSTM_SIZE;

export const NATIVE_WORKLOADS: readonly NativeWorkload[] = [
  {
    ...{ name: "reference", title: REFERENCE.title, model: REFERENCE, program: "transformer.py" },
    modes: ["captured", "xla", "eager", "wasm", "torch", "torch compiled"],
    isApart: false,
    ...{ turns: 7, steps: 9, warmUpSteps: 8 },
    aims: aimsOf({ float: 0.9, qat: 0.75, qatToFloat: 1.2 }),
  },
  {
    ...{ name: "base", title: BASE.title, model: BASE, program: "transformer.py" },
    modes: ["captured", "torch"],
    isApart: true,
    ...{ turns: 3, steps: 3, warmUpSteps: 6 },
    aims: [{ above: float("captured"), below: float("torch"), limit: 1 }],
  },
  {
    name: "lstm",
    title: `LSTM stack (${layers} layers, width ${width}), ${batch} sequences of ${time} steps`,
    ...{ model: null, program: "lstm_stack.py" },
    modes: ["captured", "eager", "wasm", "torch", "torch compiled"],
    isApart: false,
    ...{ turns: 5, steps: 6, warmUpSteps: 6 },
    aims: [],
  },
  {
    ...{ name: "gnmt", title: GNMT.title, model: GNMT, program: "gnmt.py" },
    modes: ["captured", "eager", "wasm", "torch", "torch compiled"],
    isApart: false,
    ...{ turns: 5, steps: 5, warmUpSteps: 6 },
    aims: [float, qat].map((kind) => ({
      ...{ above: kind("captured"), below: kind("torch"), limit: 1.5 },
    })),
  },
];

/** Each mode in float and with fake quantization, in groups: those of a group take turns. */
export function groupsOf(
  { modes, isApart }: NativeWorkload,
  hasPyTorch: boolean,
): NativeVariant[][] {
  const possible = modes.filter((mode) => hasPyTorch || !isPyTorch(mode));
  if (isApart) return [possible.map(float), possible.map(qat)];
  return [possible.flatMap((mode) => [float(mode), qat(mode)])];
}

export function isPyTorch(mode: Mode): mode is "torch" | "torch compiled" {
  return mode === "torch" || mode === "torch compiled";
}

export function isSame(a: NativeVariant, b: NativeVariant): boolean {
  return a.mode === b.mode && a.quantized === b.quantized;
}
