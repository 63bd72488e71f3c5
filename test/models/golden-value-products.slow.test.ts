import { beforeAll, describe, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { expectGoldenDecoding } from "../helpers/golden-value-products.ts";

beforeAll(() => selectBackend("wasm"));

describe("products of values in NeurST's order of summation, all sentences", () => {
  it("give the tokens and the scores of its quantized beam search", () => {
    expectGoldenDecoding({ section: "qat", products: "values", sentences: 32 });
  });
});
