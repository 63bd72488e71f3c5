/**
 * The gradient of an LSTM over time. Only what depends on the step after it is done step by step; the
 * products and sums for weights are made once for all steps.
 */
import { LSTM_PLACE } from "../../../core/lstm.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Ops } from "../ops.ts";
import type { Value } from "../op-run.ts";
import { ClipSums } from "./lstm-clip-sums.ts";
import { GATES, roundsGates, siteGrids, type SiteGrid } from "./lstm-grids.ts";
import { KEPT_OF_STEP, type LstmStepValues } from "./lstm-sequence.ts";

const { cell: CELL, hidden: HIDDEN } = LSTM_PLACE;

/** What the forward pass kept. */
interface Kept {
  /** [time, batch, units]. */
  readonly hidden: Value;
  readonly steps: readonly LstmStepValues[];
  /** Of each step, what was rounded at the places i, f, g, o, cell, hidden; absent in float. */
  readonly raw: readonly (Value | undefined)[][];
}

/** The gradient of one step's results, as far as it is there. */
interface Incoming {
  readonly dhidden: Value;
  readonly dcell: Value | null;
}

/**
 * dhidden [time, batch, units], dcells?, kernel, clips, hidden?, cell?, kept… → dgates, dkernel, dbias,
 * dclips, and the gradients of hidden and cell where there are any.
 */
export const lstmSequenceGradKernel: NativeKernel = {
  name: "QatLstmSequenceGrad",
  run(call) {
    const { ops } = call;
    const sites = siteGrids(call);
    const kept = keptOf(call, sites);
    const clipSums = new ClipSums(call, sites);
    const start = call.optional("cell");
    const back = transposed(ops, call.input("kernel"));
    const given = call.optional("dcells");
    const dcells = given === null ? null : ops.unstack(given, 0);
    const dsums: Value[] = [];
    let dhidden: Value | null = null;
    let dcell: Value | null = null;
    const dhiddens = ops.unstack(call.input("dhidden"), 0);
    for (let t = dhiddens.length - 1; t >= 0; t--) {
      const step = kept.steps[t]!;
      const incoming = {
        dhidden: sumOf(ops, dhiddens[t]!, dhidden)!,
        dcell: sumOf(ops, dcells?.[t] ?? null, dcell),
      };
      const before = t > 0 ? kept.steps[t - 1]!.cell : (start ?? ops.zerosLike(step.f));
      const through = stepGradient(ops, step, before, (dy, site) =>
        clipSums.pass(dy, kept.raw[t]![site], site),
      );
      const result = through(incoming);
      dsums.unshift(result.dsums);
      const goesOn = t > 0 || start !== null;
      dhidden = goesOn ? ops.product(result.dsums, back, false, false) : null;
      dcell = goesOn ? ops.mul(result.dcell, step.f) : null;
    }
    const dgates = ops.stack(dsums, 0);
    const rows = ops.reshape(dgates, [-1, dgates.shape[2]!]);
    return [
      dgates,
      kernelGradient(call, kept.hidden, rows),
      ops.columnSum(rows),
      clipSums.gradient(),
      ...(dhidden === null ? [] : [dhidden, dcell!]),
    ];
  },
};

function keptOf(call: NativeCall, sites: readonly (SiteGrid | null)[]): Kept {
  const hidden = call.input("kept0");
  const times = Array.from({ length: hidden.shape[0]! }, (_, t) => t);
  // After the hidden states and the cells.
  let next = 2;
  const take = (): Value => call.input(`kept${next++}`);
  const steps = times.map(() => {
    const entries = KEPT_OF_STEP.map((name) => [name, take()] as const);
    return Object.fromEntries(entries) as LstmStepValues;
  });
  const raw = times.map((): (Value | undefined)[] => []);
  if (roundsGates(call)) {
    for (const entry of raw) entry.push(...call.ops.split(take(), GATES, 1));
  }
  for (const site of [CELL, HIDDEN]) {
    if (sites[site] !== null) for (const entry of raw) entry[site] = take();
  }
  return { hidden, steps, raw };
}

/**
 * From the gradient of a step's results to that of its gate sums [batch, 4·units] and of its cell
 * before rounding.
 * @param pass dy after the quantizer of a place
 */
function stepGradient(
  ops: Ops,
  { i, f, g, o, tangent }: LstmStepValues,
  before: Value,
  pass: (dy: Value, site: number) => Value,
): (incoming: Incoming) => { dsums: Value; dcell: Value } {
  return ({ dhidden, dcell: dcellAfter }) => {
    const dh = pass(dhidden, HIDDEN);
    const dcell = pass(sumOf(ops, ops.tanhGrad(tangent, ops.mul(dh, o)), dcellAfter)!, CELL);
    const dgates = [
      ops.sigmoidGrad(i, ops.mul(dcell, g)),
      ops.sigmoidGrad(f, ops.mul(dcell, before)),
      ops.tanhGrad(g, ops.mul(dcell, i)),
      ops.sigmoidGrad(o, ops.mul(dh, tangent)),
    ];
    return { dsums: ops.concat(dgates.map(pass), 1), dcell };
  };
}

function sumOf(ops: Ops, a: Value | null, b: Value | null): Value | null {
  if (a === null || b === null) return a ?? b;
  return ops.add(a, b);
}

/** kernelᵀ, once: a product with it as it lies takes a fifth less time than one that turns it. */
function transposed(ops: Ops, kernel: Value): Value {
  const [units, width] = kernel.shape as [number, number];
  // TensorFlow would move a plain transposition back into the products.
  const parts = ops.transpose(ops.reshape(kernel, [units, GATES, units]), [1, 2, 0]);
  return ops.reshape(parts, [width, units]);
}

/** Σ over steps of (hidden before the step)ᵀ·dsums. @param rows [time·batch, 4·units] */
function kernelGradient(call: NativeCall, hidden: Value, rows: Value): Value {
  const { ops } = call;
  const [time, batch, units] = hidden.shape as [number, number, number];
  const width = rows.shape[1]!;
  const count = (time - 1) * batch;
  const states = ops.reshape(hidden, [time * batch, units]);
  const earlier = ops.slice(states, [0, 0], [count, units]);
  const later = ops.slice(rows, [batch, 0], [count, width]);
  const dkernel = count === 0 ? null : ops.product(earlier, later, true, false);
  const start = call.optional("hidden");
  if (start === null) return dkernel ?? ops.zerosLike(call.input("kernel"));
  const first = ops.product(start, ops.slice(rows, [0, 0], [batch, width]), true, false);
  return sumOf(ops, first, dkernel)!;
}
