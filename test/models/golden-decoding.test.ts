import { beforeAll, describe, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { expectGoldenDecoding } from "../helpers/golden-decoding.ts";

beforeAll(() => selectBackend("wasm"));

describe("the shipped model decodes what NeurST decodes", () => {
  it("greedily in float", () => {
    expectGoldenDecoding({ section: "float", method: "greedy", products: "codes", sentences: 32 });
  });
  it.each([
    ["float", "codes"],
    ["qat", "codes"],
    ["qat", "values"],
  ] as const)("by beam search, %s, products of %s", (section, products) => {
    expectGoldenDecoding({ section, method: "beam4_lp0.6", products, sentences: 8 });
  });
});
