import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { formatYaml, parseYaml } from "../../src/formats/yaml.ts";

describe("parseYaml", () => {
  it("reads NeurST's spellings", () => {
    const text = [
      "a: 1.0e-06",
      "b: y",
      "c: n",
      "d: yes",
      "e: true",
      "f: null",
      "g: 2020-01-01",
      "h: 1e-4",
      "i: [1, 2.5]",
      "j: ~",
    ].join("\n");
    expect(parseYaml(text, "f")).toEqual({
      a: 1e-6,
      b: "y",
      c: "n",
      d: "yes",
      e: true,
      f: null,
      g: "2020-01-01",
      h: 1e-4,
      i: [1, 2.5],
      j: null,
    });
  });

  it("reads Python-like maps without a space after the colon", () => {
    const text = "{'quant_strategy':'min/max','quant_bits':8,'quant_act_clip_max':16.0}";
    expect(parseYaml(text, "--quant_params")).toEqual({
      quant_strategy: "min/max",
      quant_bits: 8,
      quant_act_clip_max: 16,
    });
  });

  it("takes an empty text or comments alone as null", () => {
    expect(parseYaml("", "f")).toBeNull();
    expect(parseYaml("# nothing\n\n  # here\n", "f")).toBeNull();
    expect(parseYaml("# ".repeat(100_000) + "\nx", "f")).toBe("x");
  });

  it("copies aliases, so that nothing is shared", () => {
    const value = parseYaml("a: &list [1]\nb: *list\n", "f") as { a: number[]; b: number[] };
    expect(value).toEqual({ a: [1], b: [1] });
    expect(value.a).not.toBe(value.b);
  });

  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ..."bcdefghi".split("").map((name, i) => {
      const before = "abcdefgh"[i]!;
      return `${name}: &${name} [${new Array<string>(9).fill(`*${before}`).join(",")}]`;
    }),
  ].join("\n");

  it.each([
    { name: "a repeated key", text: "a: 1\nb: 2\na: 3\n", says: "f.yml, line 3: " },
    {
      name: "__proto__",
      text: "a: 1\n__proto__: {x: 1}\n",
      says: "f.yml, line 2: expected plain keys",
    },
    { name: "constructor", text: "a: {constructor: 1}", says: '"constructor"' },
    { name: "prototype", text: "prototype: 1", says: '"prototype"' },
    { name: "a merge key", text: "x: &x {a: 1}\ny: {<<: *x}", says: "Write the merged keys out." },
    { name: "bad syntax", text: "a: [1,\nb", says: "f.yml, line 2: expected YAML" },
    { name: "two documents", text: "a: 1\n---\nb: 2\n", says: "a single document" },
    { name: "an unknown tag", text: "a: !!js/function 'x'", says: "unknown scalar tag" },
    { name: "a python object", text: "!!python/object:os.system {}", says: "tag" },
    { name: "an alias bomb", text: bomb, says: "at most 100000 values" },
    {
      name: "very many aliases",
      text: `a: &a 1\nb: [${new Array<string>(101).fill("*a").join(",")}]`,
      says: "alias",
    },
    { name: "a value inside itself", text: "&a [*a]", says: "a value inside itself" },
    { name: "a map inside itself", text: "&a {b: *a}", says: "a value inside itself" },
    { name: "deep nesting", text: "[".repeat(50_000), says: "expected YAML" },
    { name: "tabs as indentation", text: "a:\n\tb: 1", says: "line 2" },
  ])("refuses $name", ({ text, says }) => {
    expect(() => parseYaml(text, "f.yml")).toThrow(FormatError);
    expect(() => parseYaml(text, "f.yml")).toThrow(says);
  });

  it("never throws anything but FormatError", () => {
    const unit = fc.constantFrom(...Array.from("ab: -[]{}&*!|>'\"#\n\t,?%"));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        try {
          parseYaml(text, "f");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatYaml", () => {
  it("keeps the order of keys, quotes what YAML 1.1 misreads, and never folds or aliases", () => {
    const shared = [1];
    const long = "word ".repeat(60).trim();
    const text = formatYaml({ b: 1e-6, a: { yes: "no", t: "1.0" }, l: long, s: shared, r: shared });
    expect(text).toBe(
      `b: 0.000001\na:\n  'yes': 'no'\n  t: '1.0'\nl: ${long}\ns:\n  - 1\nr:\n  - 1\n`,
    );
  });

  it("writes numbers with an exponent so that YAML 1.1 reads numbers", () => {
    expect(formatYaml({ a: 1e-7, b: 1e21 })).toBe("a: 1.e-7\nb: 1.e+21\n");
  });

  it("gives back what it wrote", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const clean: unknown = JSON.parse(JSON.stringify(value));
        if (/"(__proto__|constructor|prototype|<<)":/.test(JSON.stringify(clean))) return;
        expect(parseYaml(formatYaml(clean), "f")).toEqual(clean);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses what YAML cannot hold", () => {
    expect(() => formatYaml({ a: () => 1 })).toThrow(FormatError);
  });
});
