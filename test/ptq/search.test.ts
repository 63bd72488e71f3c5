import { describe, expect, it } from "vitest";
import {
  type Finding,
  type SearchSite,
  type SearchSpace,
  searchSettings,
} from "../../src/ptq/search.ts";
import type { QuantOverride } from "../../src/quant/config.ts";

const weight = { elements: 100, scaleBytes: 4 };
const activation = (path: string, ...options: SearchSite["options"]): SearchSite => ({
  ...{ path, weight: null, options },
});

/**
 * A model whose metric is 100 minus what its tensors cost: each cost alone, by the first override that
 * matches; a weight costs more with fewer bits.
 */
class Costs implements SearchSpace {
  evaluations = 0;
  readonly sites: readonly SearchSite[];
  readonly #cost: (path: string, settings: QuantOverride | null) => number;

  constructor(
    sites: readonly SearchSite[],
    cost: (path: string, settings: QuantOverride | null) => number,
  ) {
    this.sites = sites;
    this.#cost = cost;
  }

  divergence(overrides: readonly QuantOverride[]): Promise<number> {
    return Promise.resolve(this.#total(overrides));
  }

  evaluate(overrides: readonly QuantOverride[] | null): Promise<number> {
    this.evaluations++;
    return Promise.resolve(overrides === null ? 100 : 100 - this.#total(overrides));
  }

  #total(overrides: readonly QuantOverride[]): number {
    return this.sites.reduce((sum, { path }) => {
      const matching = overrides.filter(({ match }) => match === path || match === "**");
      const settings = matching.reduceRight<QuantOverride | null>(
        (all, override) => ({ ...all, ...override }),
        null,
      );
      return settings?.enable === false ? sum : sum + this.#cost(path, settings);
    }, 0);
  }
}

/** As in the published account: average ranges ruin two tensors and help the rest. */
const account = (): Costs => {
  const sites = [
    activation("cell", { quant_act_clip: "none" }),
    activation("attention/probabilities", { quant_act_clip: "none" }),
    activation("classifier", { quant_act_clip: "mse" }, { quant_act_clip: "none" }),
  ];
  return new Costs(sites, (path, settings) => {
    const clip = settings?.quant_act_clip ?? "avg";
    if (path === "cell") return clip === "avg" ? 0.1 : 3;
    if (clip === "avg") return path === "classifier" ? 5 : 7;
    return clip === "mse" ? 1 : 0.2;
  });
};

describe("searchSettings", () => {
  it("finds the two tensors that average ranges ruin, and leaves the others alone", async () => {
    const { best, base, culprits, float } = await searchSettings(account(), { better: "higher" });
    expect(float.metric).toBe(100);
    expect(base.metric).toBeCloseTo(87.9, 10);
    expect(culprits.map(({ path }) => path)).toEqual(
      ["attention/probabilities", "classifier", "cell"].slice(0, culprits.length),
    );
    expect(culprits.slice(0, 2).map(({ settings }) => settings)).toEqual([
      { quant_act_clip: "none" },
      { quant_act_clip: "none" },
    ]);
    // What is left after both costs 0.5: in float it costs nothing, which the metric prefers.
    expect(best.metric).toBeGreaterThan(99.4);
    expect(best.overrides!.some(({ match }) => match === "cell")).toBe(culprits.length > 2);
  });

  it("evaluates no more often than it may, and nothing twice", async () => {
    const space = account();
    const findings: Finding[] = [];
    const { evaluations } = await searchSettings(space, {
      ...{ better: "higher", maxEvaluations: 3 },
      onFinding: (finding) => findings.push(finding),
    });
    expect(space.evaluations).toBe(3);
    expect(evaluations).toHaveLength(3);
    expect(findings.filter(({ kind }) => kind === "evaluation")).toHaveLength(3);
    const plans = evaluations.map(({ overrides }) => JSON.stringify(overrides));
    expect(new Set(plans).size).toBe(plans.length);
  });

  it("takes back changes that gain nothing", async () => {
    // Alone the second tensor is costly, together with the first it is not.
    const sites = [
      activation("a", { quant_act_clip: "none" }),
      activation("b", { quant_act_clip: "none" }),
    ];
    class Together extends Costs {
      override async evaluate(overrides: readonly QuantOverride[] | null): Promise<number> {
        await super.evaluate(overrides);
        return overrides === null || overrides.some(({ match }) => match === "a") ? 100 : 90;
      }
    }
    const space = new Together(sites, (path, settings) =>
      settings?.quant_act_clip === "none" ? 0 : path === "a" ? 1 : 2,
    );
    const { best } = await searchSettings(space, { better: "higher" });
    expect(best).toMatchObject({
      metric: 100,
      overrides: [{ match: "a", quant_act_clip: "none" }],
    });
  });

  it("prefers the lower metric where that is better", async () => {
    class Loss extends Costs {
      override async evaluate(overrides: readonly QuantOverride[] | null): Promise<number> {
        return 100 - (await super.evaluate(overrides));
      }
    }
    const { sites } = account();
    const space = new Loss(sites, (path) => (path === "classifier" ? 5 : 0));
    const { best, base } = await searchSettings(space, { better: "lower" });
    expect(base.metric).toBe(5);
    expect(best).toMatchObject({ metric: 0, overrides: [{ match: "classifier", enable: false }] });
  });

  it("fits weights into a budget, the cheapest narrowest, and keeps none of them in float", async () => {
    const sites = ["robust", "fragile"].map((path) => ({ path, weight, options: [] }));
    const space = new Costs(sites, (path, settings) => {
      const bits = settings?.quant_weight_bits ?? 8;
      return (path === "fragile" ? 100 : 1) * 4 ** -bits;
    });
    const { best } = await searchSettings(space, {
      better: "higher",
      budget: { averageBits: 6 },
    });
    expect(best.overrides).toEqual([]);
    // 8 and 4 bits would cost 100·4^−8 + 4^−4; 7 and 5 cost less; so do not 6 and 6.
    const metric = (robust: number, fragile: number) => 100 - (4 ** -robust + 100 * 4 ** -fragile);
    expect(best.metric).toBeCloseTo(metric(4, 8), 9);
  });
});
