/** GNMT against MLPerf's own: logits, loss, gradients, decoded tokens. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import { assignWeights } from "../../src/models/load-weights.ts";
import { Gnmt } from "../../src/models/gnmt.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { withPass } from "../../src/quant/pass.ts";
import { describeVariants } from "../helpers/backend-variants.ts";
import { fromMlperf, ourName } from "../helpers/gnmt-weights.ts";
import { readGnmtFixture, readGnmtWeights } from "../helpers/gnmt-fixture.ts";

const fixture = readGnmtFixture();
const { sizes, special, teacherForced } = fixture;

function loadModel(): Gnmt {
  const model = new Gnmt({
    params: { hidden_size: sizes.hidden, num_layers: sizes.layers },
    sourceVocabSize: sizes.vocab,
    targetVocabSize: sizes.vocab,
    quantConfig: null,
    seed: 1,
  });
  assignWeights(model, fromMlperf(readGnmtWeights()), "gnmt.safetensors");
  return model;
}

/** Rows of ids, padded with PAD. */
function padded(rows: readonly (readonly number[])[]): { ids: Int32Array; time: number } {
  const time = Math.max(...rows.map((row) => row.length));
  const ids = new Int32Array(rows.length * time).fill(special.pad);
  rows.forEach((row, i) => {
    ids.set(row, i * time);
  });
  return { ids, time };
}

function teacherForcedBatch() {
  const source = padded(teacherForced.sources);
  const targetInput = padded(teacherForced.targets.map((ids) => ids.slice(0, -1)));
  const target = padded(teacherForced.targets.map((ids) => ids.slice(1)));
  return {
    size: teacherForced.sources.length,
    sourceTime: source.time,
    targetTime: target.time,
    source: source.ids,
    sourceLengths: Int32Array.from(teacherForced.sources, (ids) => ids.length),
    targetInput: targetInput.ids,
    target: target.ids,
    targetLengths: Int32Array.from(teacherForced.targets, (ids) => ids.length - 1),
    indices: new Int32Array(teacherForced.sources.length),
  };
}

describeVariants("GNMT", ({ backend, mode }) => {
  const isFast = backend === "wasm" && mode === "kernels";
  // Beams of 1 to 10, with both length limits; elsewhere one of them, as steps take longer.
  const searches = fixture.searches.filter(
    ({ beamSize, maxSeqLen }) => isFast || (beamSize === 3 && maxSeqLen < 10),
  );

  it("has MLPerf's teacher-forced logits to 1e-4", () => {
    const model = loadModel();
    const { source, sourceLengths, targetInput } = batchTensors(teacherForcedBatch());
    const logits = withPass({}, (pass) => model.logits(source, sourceLengths, targetInput, pass));
    const [batch, time, vocab] = teacherForced.logits.shape as [number, number, number];
    expect(logits.shape).toEqual([batch * time, vocab]);
    const received = logits.dataSync();
    teacherForced.targets.forEach((ids, row) => {
      for (let i = row * time * vocab; i < (row * time + ids.length - 1) * vocab; i++) {
        expect(Math.abs(received[i]! - teacherForced.logits.data[i]!)).toBeLessThan(1e-4);
      }
    });
    tf.dispose([source, sourceLengths, targetInput, logits]);
    model.dispose();
  });

  it("has MLPerf's loss and gradient norms", () => {
    const model = loadModel();
    const batch = batchTensors(teacherForcedBatch());
    const criterion = { per: "sentence", labelSmoothing: teacherForced.smoothing } as const;
    const { value, grads } = tf.variableGrads(
      () => withPass({}, (pass) => sequenceLoss(model, batch, criterion, pass).loss),
      [...model.variables.values()],
    );
    const loss = value.dataSync()[0]!;
    expect(Math.abs(loss / teacherForced.loss - 1)).toBeLessThan(1e-5);
    for (const [name, expected] of Object.entries(teacherForced.gradientNorms)) {
      // PAD's row has a gradient here, where padding is a token like any other in the encoder.
      if (name.includes("embedder")) continue;
      const gradient = grads[model.variables.get(ourName(name))!.name]!;
      const norm = tf.tidy(() => tf.norm(gradient).dataSync()[0]!);
      expect(Math.abs(norm / expected - 1), name).toBeLessThan(1e-4);
    }
    tf.dispose([value, Object.values(grads), { ...batch }]);
    model.dispose();
  });

  it("decodes MLPerf's tokens, greedily and with beams, by MLPerf's rules", () => {
    const model = loadModel();
    const scorer = createModelScorer(model);
    expect(searches.length).toBe(isFast ? 16 : 2);
    for (const search of searches) {
      const sources = search.sources.map((ids) => Int32Array.from(ids));
      const found = gnmtBeamSearch(scorer, sources, {
        ...{ special, compat: "mlperf", enableUnk: true },
        beamSize: search.beamSize,
        lenNormFactor: search.lenNormFactor,
        lenNormConst: search.lenNormConst,
        covPenaltyFactor: search.covPenaltyFactor,
        maxSeqLen: search.maxSeqLen,
      });
      found.forEach(([best], i) => {
        const expected = search.tokens[i]!.slice(1, search.lengths[i]);
        expect(Array.from(best!.tokens).slice(0, expected.length)).toEqual(expected);
      });
    }
    scorer.close();
    model.dispose();
  });
});
