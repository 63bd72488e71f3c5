/**
 * Finds which tensors need which settings: a cheap score for each tensor alone, then a few evaluations
 * of the whole model by the metric that counts.
 */
import type { QuantOverride } from "../quant/config.ts";
import { allocateBits, type BitBudget, type WeightSize } from "./weight-bits.ts";

/** Settings of one tensor, without its path. */
export type SiteSettings = Readonly<Omit<QuantOverride, "match">>;

/** A tensor whose settings may change. */
export interface SearchSite {
  /** Short path of its quantizer. */
  readonly path: string;
  /** What a weight takes in a file; null for activations. */
  readonly weight: WeightSize | null;
  /** Settings worth trying in place of the plan's own, the most promising first. */
  readonly options: readonly SiteSettings[];
}

/** What is searched in; all of it on held-out text, never on test text. */
export interface SearchSpace {
  readonly sites: readonly SearchSite[];
  /** Divergence of the quantized model from the float one, nats a token: cheap, on a few sentences. */
  divergence(overrides: readonly QuantOverride[]): Promise<number>;
  /** The metric of the float model (null) or of the quantized one, on the whole text. */
  evaluate(overrides: readonly QuantOverride[] | null): Promise<number>;
}

/** How far a search goes. */
export interface SearchOptions {
  /** Whether a higher metric is better, as BLEU, or a lower one, as loss and perplexity. */
  readonly better: "higher" | "lower";
  /** Evaluations of the whole text at most, that of the float model included [default: 20]. */
  readonly maxEvaluations?: number;
  /** Size that the weights must keep to; null: none. */
  readonly budget?: BitBudget | null;
  /** Called with each finding, in order. */
  readonly onFinding?: (finding: Finding) => void;
}

/** One line of the log. */
export type Finding =
  | { readonly kind: "score"; readonly path: string; readonly divergence: number }
  | {
      readonly kind: "choice";
      readonly path: string;
      readonly settings: SiteSettings;
      readonly before: number;
      readonly after: number;
    }
  | { readonly kind: "bits"; readonly bits: ReadonlyMap<string, number> }
  | { readonly kind: "evaluation"; readonly evaluation: Evaluation };

/** A plan as it was judged. */
export interface Evaluation {
  /** What distinguishes it, such as `2 tensors changed`. */
  readonly name: string;
  /** Null for the float model. */
  readonly overrides: readonly QuantOverride[] | null;
  readonly metric: number;
}

/** What a search found. */
export interface SearchResult {
  readonly float: Evaluation;
  /** The plan as the user gave it, with weight bits to fit the budget. */
  readonly base: Evaluation;
  /** The best of all evaluated plans; among equals the one with fewer overrides. */
  readonly best: Evaluation;
  readonly evaluations: readonly Evaluation[];
  /** Bits of weights that fit the budget; they go after a plan's own overrides. */
  readonly bits: readonly QuantOverride[];
  /** Sites by their own divergence, the worst first. */
  readonly culprits: readonly Culprit[];
}

/** A tensor with what its quantization alone costs. */
export interface Culprit {
  readonly path: string;
  /** Nats a token where it alone is quantized: by the plan, and by the settings chosen for it. */
  readonly before: number;
  readonly after: number;
  /** Settings chosen for it; null where the plan's own are as good. */
  readonly settings: SiteSettings | null;
}

/** Sites looked at more closely: those with this share of all divergence, and no more than so many. */
const CULPRIT_SHARE = 0.01;
const MOST_CULPRITS = 24;
/** A change must lower a tensor's divergence to this share, or it is not worth a line. */
const WORTHWHILE = 0.9;
/** Keeps what does not match in float. */
const REST_FLOAT: QuantOverride = { match: "**", enable: false };

/**
 * 1. Weight bits that fit the budget, by what each weight costs at 4 bits.
 * 2. Each tensor quantized alone: what it costs, the worst first; for those, the cheapest of their
 *    options by the same score.
 * 3. The metric with the worst 1, 2, 4, … tensors changed; then with the worst that remain kept in
 *    float; then with halves of the changes taken back.
 *
 * Deterministic. An evaluation that is repeated is not counted.
 */
export async function searchSettings(
  space: SearchSpace,
  options: SearchOptions,
): Promise<SearchResult> {
  return new Search(space, options).run();
}

class Search {
  readonly #space: SearchSpace;
  readonly #options: SearchOptions;
  readonly #evaluations: Evaluation[] = [];
  #bits: readonly QuantOverride[] = [];

  constructor(space: SearchSpace, options: SearchOptions) {
    this.#space = space;
    this.#options = options;
  }

  async run(): Promise<SearchResult> {
    this.#refuseBudget();
    const float = await this.#evaluate("float", null);
    this.#bits = await this.#weightBits();
    const base = await this.#evaluate("as given", []);
    const culprits = await this.#culprits();
    const changed = await this.#change(culprits, float);
    const exempted = await this.#exempt(changed, culprits, float);
    await this.#takeBack(exempted);
    const best = this.#best();
    return { float, base, best, evaluations: this.#evaluations, bits: this.#bits, culprits };
  }

  /** @throws {ConfigError} for a budget that no bits keep to, before anything runs */
  #refuseBudget(): void {
    const { budget = null } = this.#options;
    if (budget === null) return;
    const sizes = this.#weightSizes();
    allocateBits(sizes, new Map([...sizes.keys()].map((path) => [path, 0])), budget);
  }

  #weightSizes(): Map<string, WeightSize> {
    const weights = this.#space.sites.filter(({ weight }) => weight !== null);
    return new Map(weights.map(({ path, weight }) => [path, weight!]));
  }

  async #weightBits(): Promise<QuantOverride[]> {
    const { budget = null } = this.#options;
    if (budget === null) return [];
    const sizes = this.#weightSizes();
    const costs = new Map<string, number>();
    for (const path of sizes.keys()) {
      const alone = { match: path, enable: true, quant_weight_bits: 4 };
      costs.set(path, await this.#space.divergence([alone, REST_FLOAT]));
    }
    const bits = allocateBits(sizes, costs, budget);
    this.#options.onFinding?.({ kind: "bits", bits });
    const narrow = [...bits].filter(([, width]) => width < 8);
    return narrow.map(([match, width]) => ({ match, quant_weight_bits: width }));
  }

  /** Sites that cost the most alone, with the best settings for each. */
  async #culprits(): Promise<Culprit[]> {
    const scored: { site: SearchSite; before: number }[] = [];
    for (const site of this.#space.sites) {
      const before = await this.#alone(site.path, {});
      scored.push({ site, before });
      this.#options.onFinding?.({ kind: "score", path: site.path, divergence: before });
    }
    scored.sort((a, b) => b.before - a.before);
    const total = scored.reduce((sum, { before }) => sum + before, 0);
    const worst = scored.slice(0, MOST_CULPRITS).filter((s) => s.before > CULPRIT_SHARE * total);
    const culprits: Culprit[] = [];
    for (const { site, before } of worst) culprits.push(await this.#improve(site, before));
    return culprits;
  }

  async #improve(site: SearchSite, before: number): Promise<Culprit> {
    let [after, settings]: [number, SiteSettings | null] = [before, null];
    for (const option of site.options) {
      const divergence = await this.#alone(site.path, option);
      if (divergence < after) [after, settings] = [divergence, option];
    }
    const { path } = site;
    if (settings === null || after > WORTHWHILE * before) {
      return { path, before, after: before, settings: null };
    }
    this.#options.onFinding?.({ kind: "choice", path, settings, before, after });
    return { path, before, after, settings };
  }

  /** Divergence where one tensor alone is quantized. */
  #alone(path: string, settings: SiteSettings): Promise<number> {
    const own: QuantOverride = { match: path, enable: true, ...settings };
    return this.#space.divergence([own, ...this.#bits, REST_FLOAT]);
  }

  /** The settings of more and more culprits, those that gain the most first. */
  async #change(culprits: readonly Culprit[], float: Evaluation): Promise<Evaluation> {
    const changes = culprits
      .filter(({ settings }) => settings !== null)
      .sort((a, b) => b.before - b.after - (a.before - a.after))
      .map(({ path, settings }): QuantOverride => ({ match: path, ...settings }));
    for (const count of doublings(changes.length)) {
      if (!this.#mayGoOn(float)) break;
      await this.#evaluate(`${count} changed`, changes.slice(0, count));
    }
    return this.#best();
  }

  /** More and more of the culprits in float, those that still cost the most first. */
  async #exempt(
    from: Evaluation,
    culprits: readonly Culprit[],
    float: Evaluation,
  ): Promise<Evaluation> {
    // A weight in float would not keep to a budget of bits.
    const mayBeFloat = ({ path }: Culprit): boolean =>
      this.#bits.length === 0 ||
      this.#space.sites.every((site) => site.path !== path || site.weight === null);
    const rest = culprits
      .filter(mayBeFloat)
      .sort((a, b) => b.after - a.after)
      .map(({ path }) => path);
    for (const count of doublings(rest.length)) {
      if (!this.#mayGoOn(float)) break;
      const kept = rest.slice(0, count).map((match) => ({ match, enable: false }));
      const exempt = new Set(rest.slice(0, count));
      const others = from.overrides!.filter(({ match }) => !exempt.has(match));
      await this.#evaluate(`${count} in float`, [...kept, ...others]);
    }
    return this.#best();
  }

  /** Takes back what is not needed: halves of the changes, quarters, … single ones. */
  async #takeBack(from: Evaluation): Promise<void> {
    let overrides = from.overrides!;
    for (let size = Math.floor(overrides.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let start = 0; start < overrides.length && overrides.length > size;) {
        if (this.#evaluations.length >= this.#most) return;
        const fewer = overrides.filter((_, i) => i < start || i >= start + size);
        const found = await this.#evaluate(`${overrides.length - fewer.length} taken back`, fewer);
        if (this.#isWorse(found.metric, this.#best().metric)) start += size;
        else overrides = fewer;
      }
    }
  }

  get #most(): number {
    return this.#options.maxEvaluations ?? 20;
  }

  /** While evaluations are left and the float model is better. */
  #mayGoOn(float: Evaluation): boolean {
    const isLeft = this.#evaluations.length < this.#most;
    return isLeft && this.#isWorse(this.#best().metric, float.metric);
  }

  #isWorse(metric: number, than: number): boolean {
    return this.#options.better === "higher" ? metric < than : metric > than;
  }

  /** The best quantized plan so far. */
  #best(): Evaluation {
    const plans = this.#evaluations.filter(({ overrides }) => overrides !== null);
    return plans.reduce((best, plan) => {
      if (this.#isWorse(plan.metric, best.metric)) return best;
      if (this.#isWorse(best.metric, plan.metric)) return plan;
      return plan.overrides!.length < best.overrides!.length ? plan : best;
    });
  }

  /** @param overrides without those of the weights' bits; null: the float model */
  async #evaluate(name: string, overrides: readonly QuantOverride[] | null): Promise<Evaluation> {
    const known = this.#evaluations.find((e) => sameOverrides(e.overrides, overrides));
    if (known !== undefined) return known;
    const all = overrides === null ? null : [...overrides, ...this.#bits];
    const metric = await this.#space.evaluate(all);
    const evaluation = { name, overrides, metric };
    this.#evaluations.push(evaluation);
    this.#options.onFinding?.({ kind: "evaluation", evaluation });
    return evaluation;
  }
}

/** 1, 2, 4, … and at last `most`; none where that is 0. */
function doublings(most: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < most; count *= 2) counts.push(count);
  return most === 0 ? [] : [...counts, most];
}

function sameOverrides(
  a: readonly QuantOverride[] | null,
  b: readonly QuantOverride[] | null,
): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
