/** Where GNMT rounds, and what padding and other sentences of a batch may not change. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import type { Gnmt } from "../../src/models/gnmt.ts";
import { placementReport } from "../../src/models/placement.ts";
import { withPass } from "../../src/quant/pass.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { tinySentences } from "../helpers/tiny-transformer.ts";

const CELL = "decoder/att_rnn/rnn/cells/0";

/** Short paths of the activation quantizers below a path, with their bits. */
function activations(model: Gnmt, below: string): Record<string, number> {
  const all = model.layers().flatMap((layer) => [...layer.quantizers.values()]);
  const prefix = `SequenceToSequence/${below}/`;
  const chosen = all.filter(({ kind, path }) => kind !== "weight" && path.startsWith(prefix));
  return Object.fromEntries(chosen.map(({ path, bits }) => [path.slice(prefix.length), bits]));
}

beforeAll(() => selectBackend("wasm"));

describe("placement", () => {
  it("puts both operands of every product on a grid", () => {
    const model = makeTinyGnmt();
    const report = placementReport(model);
    expect(report.filter(({ left, right }) => left === null || right === null)).toEqual([]);
    // Two products for each of 7 cells, two maps and two sums of the attention, the classifier.
    expect(report.length).toBe(2 * 7 + 2 + 2 + 1);
    model.dispose();
  });

  it("rounds a cell at seven places by default, cell states to 16 bits", () => {
    const model = makeTinyGnmt();
    expect(activations(model, CELL)).toEqual({
      "fc_gate_x/input": 8,
      ...{ "act_f/input": 8, "act_i/input": 8, "act_o/input": 8, "act_g/input": 8 },
      "eltwiseadd_cell/output": 16,
      "eltwisemult_hidden/output": 8,
    });
    expect(activations(model, "decoder/att_rnn/attn")).toEqual({ tanh: 8, softmax_att: 8 });
    model.dispose();
  });

  it("rounds after every operation as Distiller did, on request", () => {
    const model = makeTinyGnmt({}, { quant_compat: "distiller-2019" });
    const names = Object.entries(activations(model, CELL)).map(([name, bits]) => `${name} ${bits}`);
    expect(names.sort()).toEqual([
      ...["act_f", "act_g", "act_h", "act_i", "act_o"].map((name) => `${name}/output 8`),
      "eltwiseadd_cell/output 8",
      "eltwiseadd_gate/output 8",
      ...["eltwisemult_cell_forget/output 8", "eltwisemult_cell_input/output 8"],
      "eltwisemult_hidden/output 8",
      ...["fc_gate_h/output 8", "fc_gate_x/input 8", "fc_gate_x/output 8"],
    ]);
    model.dispose();
  });

  it("takes bits and exemptions by the names of operations", () => {
    const overrides = [
      { match: "**/eltwiseadd_cell", quant_cell_bits: 8 },
      { match: "decoder/**/act_f", enable: false },
      { match: "decoder/att_rnn/attn", quant_act_bits: 6 },
    ];
    const model = makeTinyGnmt({}, { overrides });
    const cell = activations(model, CELL);
    expect(cell["eltwiseadd_cell/output"]).toBe(8);
    expect(cell).not.toHaveProperty("act_f/input");
    expect(activations(model, "decoder/att_rnn/attn")["tanh"]).toBe(6);
    model.dispose();
  });
});

/** Logits of the first sentence in a batch, whose other rows and padding are as given. */
function firstLogits(model: Gnmt, sources: readonly Int32Array[], pad: number): Float32Array {
  const time = Math.max(...sources.map((ids) => ids.length)) + pad;
  const rows = new Int32Array(sources.length * time).fill(1);
  sources.forEach((ids, row) => {
    rows.set(ids, row * time);
  });
  return tf.tidy(() => {
    const source = tf.tensor2d(rows, [sources.length, time], "int32");
    const lengths = tf.tensor1d(
      sources.map((ids) => ids.length),
      "int32",
    );
    const target = tf.tile(tf.tensor2d([[5, 6, 7]], [1, 3], "int32"), [sources.length, 1]);
    return withPass({ products: "codes" }, (pass) =>
      tf.slice(model.logits(source, lengths, target, pass), 0, 3).dataSync<"float32">(),
    );
  });
}

it.each([
  ["quantized", {}],
  ["float", null],
] as const)("%s logits do not depend on padding or batch mates", (_, quant) => {
  const model = makeTinyGnmt({}, quant);
  const [first, ...others] = tinySentences(9).slice(3) as [Int32Array, ...Int32Array[]];
  const alone = firstLogits(model, [first], 0);
  expect(firstLogits(model, [first], 3)).toEqual(alone);
  expect(firstLogits(model, [first, ...others], 0)).toEqual(alone);
  expect(firstLogits(model, [first, ...others.slice(0, 2)], 5)).toEqual(alone);
  model.dispose();
});
