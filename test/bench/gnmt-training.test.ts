import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { assignInitialWeights, writeInitialWeights } from "../../bench/initial-weights.ts";
import { ModelTrainer } from "../../bench/model-trainer.ts";
import { GNMT, type PlainBatch, prepareWorkload } from "../../bench/workloads.ts";
import { selectBackend } from "../../src/backends/select.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { Gnmt } from "../../src/models/gnmt.ts";
import { fromMlperf } from "../helpers/gnmt-weights.ts";
import { readGnmtFixture, readGnmtWeights } from "../helpers/gnmt-fixture.ts";

/** What PyTorch computed: see scripts/oracles/gnmt_training.py. */
interface Training {
  readonly labelSmoothing: number;
  readonly clipNorm: number;
  readonly batches: readonly PlainBatch[];
  readonly order: readonly number[];
  readonly losses: readonly number[];
}

const fixtures = new URL("../fixtures/", import.meta.url);
const training = JSON.parse(
  readFileSync(new URL("bench/gnmt-training.json", fixtures), "utf8"),
) as Training;
const { sizes } = readGnmtFixture();
const { labelSmoothing, clipNorm } = training;
const WORKLOAD = {
  ...GNMT,
  size: { vocabulary: sizes.vocab, width: sizes.hidden, layers: sizes.layers, dropout: 0 },
  ...{ sentences: 2, tokens: 4, labelSmoothing, clipNorm },
};

describe("GNMT in the native benchmark", () => {
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-test-"));
  beforeAll(async () => {
    await selectBackend("wasm");
    prepareWorkload(WORKLOAD, directory);
    writeFileSync(join(directory, "batches.json"), JSON.stringify(training.batches));
    const weights = Array.from(fromMlperf(readGnmtWeights()), ([name, { shape, data }]) => {
      const tensor = { dtype: "F32", shape, data: Float32Array.from(data) } as const;
      return [name, tensor] as const;
    });
    writeFileSync(join(directory, "weights.safetensors"), writeSafetensors(weights));
    return () => {
      rmSync(directory, { recursive: true });
    };
  });

  it("has the losses of PyTorch's nn.LSTM over its first steps, in float", async () => {
    const losses = await lossesOf(false);
    training.losses.forEach((expected, i) => {
      expect(Math.abs(losses[i]! / expected - 1)).toBeLessThan(1e-5);
    });
  });

  it("starts from nearly the same loss with fake quantization, and learns", async () => {
    const losses = await lossesOf(true);
    expect(Math.abs(losses[0]! / training.losses[0]! - 1)).toBeLessThan(0.02);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  async function lossesOf(isQuantized: boolean): Promise<number[]> {
    const trainer = new ModelTrainer(WORKLOAD, directory, isQuantized);
    const losses: number[] = [];
    for (const batch of training.order) losses.push(await trainer.step(batch));
    return losses;
  }
});

it("gives other programs the weights that ours start from", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-test-"));
  prepareWorkload(WORKLOAD, directory);
  await writeInitialWeights(WORKLOAD, directory);
  const args = { params: { hidden_size: sizes.hidden }, quantConfig: null };
  const vocabularies = { sourceVocabSize: sizes.vocab, targetVocabSize: sizes.vocab };
  const [written, other] = [1, 2].map((seed) => new Gnmt({ ...args, ...vocabularies, seed }));
  const first = firstWeight(written!);
  assignInitialWeights(other!, directory);
  expect(firstWeight(other!)).toEqual(first);
  rmSync(directory, { recursive: true });
});

function firstWeight({ variables }: Gnmt): number[] {
  return [...variables.values()][0]!.arraySync() as number[];
}
