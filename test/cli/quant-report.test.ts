import { expect, it } from "vitest";
import { quantReportText } from "../../src/cli/quant-report.ts";
import type { QuantReport } from "../../src/ptq/report.ts";

const tensor = {
  ...{ path: "encoder/rnn_layers/0/cells_reverse/0/eltwisemult_hidden/output", bits: 8 },
  ...{ role: "activation", mode: "symmetric", source: "statistics", scale: 0.00675 },
  ...{ zero_point: 0, min: -0.864, max: 0.8573, saturated: 0.00019, sqnr_db: 41.2 },
  reason: "mse within -6 … 6 (sigmoid reads it)",
} as const;
const weight = { ...tensor, path: "embedder/weights", scale: [0.5, 0.25], zero_point: [0, 0] };
const report = { tensors: [tensor, weight], floats: [], notes: [] } as unknown as QuantReport;

it("shows all columns where lines may be long", () => {
  const [head, , second] = quantReportText(report, "out", Infinity).split("\n");
  expect(head).toMatch(/^path +bits +mode +scale +zero +min +max +beyond +SQNR +range$/);
  expect(second).toMatch(/^embedder\/weights +8 +symmetric +0\.25 … 0\.5 +0 +-0\.8640 /);
});

it.each([100, 60, 130])(
  "keeps to the %i columns of a terminal, and names what it hides",
  (width) => {
    const lines = quantReportText(report, "out", width).split("\n");
    const room = Math.max(width, tensor.path.length);
    expect(lines.slice(0, 3).every(({ length }) => length <= room)).toBe(true);
    expect(lines[0]!.includes("SQNR")).toBe(width >= 100);
    expect(lines[3]).toMatch(/^Not shown for want of room: (\w+, )*mode.*; see report\.json\.$/);
  },
);
