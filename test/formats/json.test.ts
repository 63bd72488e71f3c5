import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { formatJson, parseJson, shortestFloat32, type JsonValue } from "../../src/formats/json.ts";

describe("parseJson", () => {
  it("accepts the same key in different objects, escaped quotes, and brackets in strings", () => {
    const text = '{"a": {"x": 1}, "b": [{"x": 2}, "{\\"x\\": ["], "x": null}';
    expect(parseJson(text, "f")).toEqual(JSON.parse(text));
  });

  it.each([
    { name: "a repeated key", text: '{"a": 1,\n "b": 2,\n "a": 3}', says: '"a" twice at line 3' },
    { name: "a key repeated by an escape", text: '{"a": 1, "\\u0061": 2}', says: '"a" twice' },
    { name: "__proto__", text: '{"x": {"__proto__": 1}}', says: '"__proto__"' },
    { name: "__proto__ by an escape", text: '{"\\u005f_proto__": 1}', says: '"__proto__"' },
    { name: "a truncated text", text: '{"a": [1, 2', says: "expected JSON" },
    { name: "nothing", text: "", says: "an empty text" },
    { name: "deep nesting", text: "[".repeat(100_000), says: "at most 200 nested levels" },
  ])("refuses $name", ({ text, says }) => {
    expect(() => parseJson(text, "file.json")).toThrow(FormatError);
    expect(() => parseJson(text, "file.json")).toThrow(says);
    expect(() => parseJson(text, "file.json")).toThrow(/^file\.json: expected /);
  });

  it("never throws anything but FormatError", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('{}[]:,"\\a1 \n')) }), (text) => {
        try {
          parseJson(text, "f");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatJson", () => {
  it("gives back what it wrote", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const clean = JSON.parse(JSON.stringify(value)) as JsonValue;
        if (JSON.stringify(clean).includes("__proto__")) return;
        expect(parseJson(formatJson(clean), "f")).toEqual(clean);
      }),
    );
  });

  it("keeps the order of keys and puts plain arrays on one line", () => {
    expect(formatJson({ b: [1, "x", null], a: { c: [], d: [{ e: 1 }] }, f: {} })).toBe(
      '{\n  "b": [1, "x", null],\n  "a": {\n    "c": [],\n    "d": [\n      {\n' +
        '        "e": 1\n      }\n    ]\n  },\n  "f": {}\n}\n',
    );
  });

  it("refuses numbers that JSON cannot hold", () => {
    expect(() => formatJson({ a: NaN })).toThrow("received NaN. Leave the value out");
    expect(() => formatJson([Infinity])).toThrow("received Infinity");
  });
});

it("shortestFloat32 gives every float32 back in few digits", () => {
  expect(shortestFloat32(Math.fround(0.1))).toBe(0.1);
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
      expect(Math.fround(shortestFloat32(x))).toBe(x === 0 ? 0 : x);
    }),
    { numRuns: 5000 },
  );
});
