import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { CheckpointError, DataError, ExportError, FormatError } from "../../src/errors.ts";
import { assignInt8 } from "../../src/export/dequantized.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { isInt8Export, loadInt8 } from "../../src/export/load-int8.ts";
import { saveInt8 } from "../../src/export/save-int8.ts";
import { parseInt8Model } from "../../src/formats/int8-model.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { makeTinyTransformer, TINY_SPECIAL } from "../helpers/tiny-transformer.ts";

const KERNEL =
  "SequenceToSequence/TransformerEncoder/layer_0/ffn_prepost_wrapper/ffn/dense1/kernel";
const options = { special: TINY_SPECIAL };
let directory: string;
let models: Transformer[] = [];

beforeAll(() => selectBackend("cpu"));
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tfjs-qat-int8-"));
});
afterEach(() => {
  for (const model of models) model.dispose();
  models = [];
  rmSync(directory, { recursive: true });
});

function tiny(quantParams: Record<string, unknown> | null = {}, params = {}): Transformer {
  const model = makeTinyTransformer(params, quantParams);
  models.push(model);
  return model;
}

function setAll(model: Transformer, name: string, value: number): void {
  const variable = model.variables.get(name)!;
  tf.tidy(() => {
    variable.assign(tf.fill(variable.shape, value));
  });
}

describe("exportInt8", () => {
  it("stores the training's own codes, and everything else as it is", () => {
    const model = tiny();
    const { tensors, quantization, record } = exportInt8(model, options);
    const parsed = parseInt8Model(tensors, quantization, "export");
    expect(parsed.record).toEqual(record);
    for (const layer of model.layers()) {
      for (const [name, quantizer] of layer.quantizers) {
        if (quantizer.kind !== "weight") continue;
        const weight = parsed.weights.get(quantizer.path)!;
        const view = layer.quantizedWeight(name);
        expect(weight.codes).toEqual(view.codes);
        expect(weight.scale).toEqual(view.scale);
        expect(weight.shape).toEqual(view.shape);
      }
    }
    const floats = [...parsed.floats.keys()];
    expect(floats.every((name) => /\/(bias|gamma|beta)$/.test(name))).toBe(true);
    const stored = parsed.weights.size + floats.length;
    const clips = [...model.variables.keys()].filter((name) => name.endsWith("_clip_max"));
    expect(stored + clips.length).toBe(model.variables.size);
    expect(record.weights[KERNEL]).toMatchObject({
      path: "encoder/layer_0/ffn/dense1/kernel",
      bits: 8,
      qmin: -128,
      qmax: 127,
      axis: null,
    });
  });

  it("gives the same bytes every time", () => {
    const [first, second] = [exportInt8(tiny(), options), exportInt8(tiny(), options)];
    expect(second.tensors).toEqual(first.tensors);
    expect(second.quantization).toBe(first.quantization);
  });

  it("keeps fewer bits in the narrower range", () => {
    const { tensors, quantization } = exportInt8(tiny({ quant_weight_bits: 3 }), options);
    const { weights } = parseInt8Model(tensors, quantization, "export");
    const codes = [...weights.values()].flatMap((weight) => [...weight.codes]);
    expect(Math.min(...codes)).toBe(-4);
    expect(Math.max(...codes)).toBe(3);
  });

  it("leaves weights in float where quantization is off for them", () => {
    const model = tiny({ overrides: [{ match: "encoder/**/dense1/kernel", enable: false }] });
    const { tensors, quantization } = exportInt8(model, options);
    const parsed = parseInt8Model(tensors, quantization, "export");
    expect(parsed.weights.has(KERNEL)).toBe(false);
    const kernel = model.variables.get(KERNEL)!.dataSync();
    expect(parsed.floats.get(KERNEL)!.data).toEqual(kernel);
  });

  it.each([
    [KERNEL, NaN],
    [KERNEL, Infinity],
    [`${KERNEL}_clip_max`, NaN],
    [KERNEL.replace("kernel", "bias"), -Infinity],
  ])("refuses %s of %d", (name, value) => {
    const model = tiny();
    setAll(model, name, value);
    expect(() => exportInt8(model, options)).toThrow(ExportError);
    expect(() => exportInt8(model, options)).toThrow(name);
  });

  it("refuses a float model", () => {
    expect(() => exportInt8(tiny(null), options)).toThrow(ExportError);
  });
});

describe("saveInt8 and loadInt8", () => {
  const target = () => join(directory, "int8");

  it("read back what was written, with the files beside it", () => {
    const exported = exportInt8(tiny(), options);
    saveInt8(target(), exported, { "model_configs.yml": "a: 1\n", "vocab.txt": "x\n" });
    const loaded = loadInt8(target());
    expect(loaded.tensors).toEqual(exported.tensors);
    expect(loaded.quantization).toBe(exported.quantization);
    expect(loaded.model.record).toEqual(exported.record);
    expect(loaded.bytes).toBe(exported.tensors.length + exported.quantization.length);
    const names = ["model.int8.safetensors", "model_configs.yml", "quantization.json", "vocab.txt"];
    expect(readdirSync(target()).sort()).toEqual(names);
    expect(readdirSync(directory)).toEqual(["int8"]);
    expect(isInt8Export(target())).toBe(true);
  });

  it("replace an earlier export as a whole", () => {
    saveInt8(target(), exportInt8(tiny(), options), { "old.txt": "" });
    saveInt8(target(), exportInt8(tiny({ quant_bits: 4 }), options), { "new.txt": "" });
    expect(readdirSync(target())).not.toContain("old.txt");
    expect(loadInt8(target()).model.record.weights[KERNEL]!.bits).toBe(4);
    expect(readdirSync(directory)).toEqual(["int8"]);
  });

  it("do not replace anything else", () => {
    writeFileSync(join(directory, "thesis.txt"), "dear");
    const save = () => {
      saveInt8(directory, exportInt8(tiny(), options), {});
    };
    expect(save).toThrow(ExportError);
    expect(readFileSync(join(directory, "thesis.txt"), "utf8")).toBe("dear");
  });

  it("refuse paths among the file names", () => {
    const exported = exportInt8(tiny(), options);
    for (const name of ["../escape", "a/b", ".hidden"]) {
      expect(() => {
        saveInt8(target(), exported, { [name]: "" });
      }).toThrow(ExportError);
    }
    expect(readdirSync(directory).filter((name) => name === "escape")).toEqual([]);
  });

  it("notice files that are missing or not of one export", () => {
    expect(() => loadInt8(target())).toThrow(DataError);
    saveInt8(target(), exportInt8(tiny(), options), {});
    const tensors = join(target(), "model.int8.safetensors");
    const bytes = readFileSync(tensors);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(tensors, bytes);
    expect(() => loadInt8(target())).toThrow(FormatError);
    expect(() => loadInt8(target())).toThrow("SHA-256");
  });
});

describe("assignInt8", () => {
  it.each([
    ["8 bits", {}],
    ["4 bits", { quant_bits: 4 }],
    ["one scale for each channel", { quant_per_channel: true }],
    ["TensorFlow's rounding", { quant_rounding: "half_up" }],
  ])("brings back the same bytes: %s", (_, quantParams) => {
    const exported = exportInt8(tiny(quantParams), options);
    const parsed = parseInt8Model(exported.tensors, exported.quantization, "export");
    const empty = tiny(quantParams);
    for (const name of empty.variables.keys()) setAll(empty, name, 0.5);
    assignInt8(empty, parsed);
    const again = exportInt8(empty, options);
    expect(again.tensors).toEqual(exported.tensors);
    expect(again.quantization).toBe(exported.quantization);
  });

  it("brings back clips at and below zero", () => {
    const model = tiny();
    setAll(model, `${KERNEL}_clip_max`, -0.25);
    const activation = KERNEL.replace("dense1/kernel", "dense1_activ");
    setAll(model, `${activation}_clip_max`, 0);
    const exported = exportInt8(model, options);
    expect(exported.record.weights[KERNEL]).toMatchObject({ clip_max: -0.25, min: 0, max: 0 });
    expect(exported.record.activations[activation]).toMatchObject({ scale: 1, min: 0, max: 0 });
    const other = tiny();
    assignInt8(other, parseInt8Model(exported.tensors, exported.quantization, "export"));
    expect(exportInt8(other, options).tensors).toEqual(exported.tensors);
  });

  it.each([
    ["other bits", { quant_bits: 6 }, {}],
    ["other rounding", { quant_rounding: "half_up" }, {}],
    ["other scales", { quant_per_channel: true }, {}],
    ["more layers", {}, { "encoder.num_layers": 3 }],
    ["fewer layers", {}, { "encoder.num_layers": 1 }],
    ["another width", {}, { "encoder.filter_size": 22 }],
  ])("refuses a model with %s", (_, quantParams, params) => {
    const exported = exportInt8(tiny(), options);
    const parsed = parseInt8Model(exported.tensors, exported.quantization, "export");
    expect(() => {
      assignInt8(tiny(quantParams, params), parsed);
    }).toThrow(CheckpointError);
  });
});
