/** Where products multiply codes does not depend on the backend. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { placementReport, type PlacedProduct } from "../../src/models/placement.ts";
import { withPass } from "../../src/quant/pass.ts";
import { BACKENDS, describeBackends } from "../helpers/backend-variants.ts";
import { makeTinyTransformer, tinySentences } from "../helpers/tiny-transformer.ts";

describeBackends("placement", (backend) => {
  it("puts both operands of every product on a grid", () => {
    const model = makeTinyTransformer();
    const report = placementReport(model);
    expect(report.filter(({ left, right }) => left === null || right === null)).toEqual([]);
    expect(report.length).toBeGreaterThan(20);
    model.dispose();
  });

  it("is that of the first backend, with logits close to its", async () => {
    const seen: { report: PlacedProduct[]; logits: Float32Array }[] = [];
    for (const name of [BACKENDS[0], backend]) {
      await selectBackend(name);
      const model = makeTinyTransformer();
      const source = tinySentences(9)[8]!;
      const logits = withPass({ products: "codes" }, (pass) =>
        tf.tidy(() => {
          const ids = tf.tensor2d(source, [1, source.length], "int32");
          const lengths = tf.tensor1d([source.length], "int32");
          return model.logits(ids, lengths, ids, pass).dataSync<"float32">();
        }),
      );
      seen.push({ report: placementReport(model), logits });
      model.dispose();
    }
    const [first, other] = seen;
    expect(other!.report).toEqual(first!.report);
    // A float sum in another order may move a code to its neighbour, and logits by a fraction.
    const furthest = first!.logits.map((value, i) => Math.abs(value - other!.logits[i]!));
    expect(Math.max(...furthest)).toBeLessThan(0.1);
  });
});
