/** Gradients through an LSTM's quantizers. */
import type { NativeCall } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { straightThrough } from "./fake-quant.ts";
import type { SiteGrid } from "./lstm-grids.ts";

/** Passes gradients on and gathers what the clips receive of all steps. */
export class ClipSums {
  readonly #call: NativeCall;
  readonly #sites: readonly (SiteGrid | null)[];
  readonly #sums: { readonly below: Value[]; readonly above: Value[] }[];

  constructor(call: NativeCall, sites: readonly (SiteGrid | null)[]) {
    this.#call = call;
    this.#sites = sites;
    this.#sums = sites.map(() => ({ below: [], above: [] }));
  }

  /** dy where x lies in the range of a place, else 0; dy itself in float. */
  pass(dy: Value, x: Value | undefined, place: number): Value {
    const site = this.#sites[place];
    if (site == null) return dy;
    const { dx, below, above } = straightThrough(this.#call, dy, x!, site);
    this.#sums[place]!.below.push(below);
    this.#sums[place]!.above.push(above);
    return dx;
  }

  /** Of all clips; 0 for places in float. */
  gradient(): Value {
    const { ops, attributes } = this.#call;
    const zero = ops.scalar(0);
    const dclips = this.#sites.map((site, place) => {
      if (site === null) return zero;
      const { qmin, qmax, isZero } = site.grid;
      const { below, above } = this.#sums[place]!;
      const [low, high] = [below, above].map((sums) => ops.sum(ops.stack(sums, 0), [0]));
      const dclip = ops.add(high!, ops.mul(low!, qmin / qmax));
      return attributes.compat === "neurst" ? ops.select(isZero!, 0, dclip) : dclip;
    });
    return ops.stack(dclips, 0);
  }
}
