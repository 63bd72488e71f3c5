import { describe, expect, it } from "vitest";
import {
  quantConfigFromHost,
  quantConfigToHost,
  resolveQuantConfig,
  toQuantParams,
  type QuantParamsInput,
} from "../../src/quant/config.ts";
import { QuantPolicy } from "../../src/quant/policy.ts";
import { shortPath } from "../../src/models/layer-paths.ts";

const KERNEL =
  "SequenceToSequence/TransformerEncoder/layer_0/ffn_prepost_wrapper/ffn/dense1/kernel";

function policy(overrides: QuantParamsInput["overrides"]): QuantPolicy {
  return new QuantPolicy(resolveQuantConfig({ overrides }), shortPath);
}

describe("QuantPolicy", () => {
  it.each([
    ["encoder/layer_0/ffn/dense1/kernel"],
    ["encoder/layer_0/ffn/dense1"],
    ["encoder/layer_0/ffn"],
    ["encoder"],
    ["encoder/*/ffn/dense?".replace("?", "*")],
    ["**/kernel"],
    ["**/dense1/*"],
    ["encoder/**"],
    ["**"],
    [KERNEL],
    ["SequenceToSequence/**/dense1"],
  ])("matches %s", (match) => {
    const p = policy([{ match, quant_weight_bits: 4 }]);
    expect(p.for(KERNEL)?.weightBits).toBe(4);
    expect(() => {
      p.assertAllMatched();
    }).not.toThrow();
  });

  it.each([
    ["encoder/layer_1/**"],
    ["encoder/*/dense1"],
    ["dense1"],
    ["ncoder/**"],
    ["encoder/layer_0/ff."],
  ])("does not match %s, and says so", (match) => {
    const p = policy([{ match, quant_weight_bits: 4 }]);
    expect(p.for(KERNEL)?.weightBits).toBe(8);
    expect(() => {
      p.assertAllMatched();
    }).toThrow(match);
  });

  it("names the nearest path", () => {
    const p = policy([{ match: "encoder/layer_0/fnn/dense1", quant_weight_bits: 4 }]);
    p.for(KERNEL);
    expect(() => {
      p.assertAllMatched();
    }).toThrow(`Did you mean "encoder/layer_0/ffn/dense1"?`);
  });

  it("lets the first match win for each key, and keeps in float what is not enabled", () => {
    const p = policy([
      { match: "**/kernel", quant_weight_bits: 4 },
      { match: "encoder/**", quant_weight_bits: 3, quant_act_bits: 5 },
      { match: "decoder/**", enable: false },
    ]);
    expect(p.for(KERNEL)).toMatchObject({ weightBits: 4, actBits: 5 });
    expect(p.for("SequenceToSequence/TransformerDecoder/output_ln")).toBeNull();
  });

  it("keeps everything in float without a configuration", () => {
    expect(new QuantPolicy(null).for(KERNEL)).toBeNull();
  });
});

describe("the configuration's forms", () => {
  const config = resolveQuantConfig({
    quant_bits: 6,
    quant_act_bits: 7,
    quant_weight_clip_max: 0.5,
    quant_rounding: "half_up",
    overrides: [{ match: "encoder/layer_0/**", enable: false }],
  });

  it("come back from quant_params and from the host's files", () => {
    expect(resolveQuantConfig(toQuantParams(config))).toEqual(config);
    expect(quantConfigFromHost(quantConfigToHost(config))).toEqual(config);
    expect(quantConfigFromHost(config)).toBe(config);
    expect(quantConfigToHost(null)).toBeNull();
  });
});
