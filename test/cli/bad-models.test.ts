/** Checkpoints and exports that are damaged or hostile: refused in one line, nothing lost. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  readSafetensors,
  writeSafetensors,
  type SafeTensor,
} from "../../src/formats/safetensors.ts";
import {
  bytesOf,
  copyOf,
  expectError,
  makeModels,
  removeModels,
  textOf,
  train,
} from "./bad-input-cases.ts";

/** A safetensors file with any header. */
function safetensors(header: string, data = new Uint8Array(0), length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

/** The float model with other tensors. */
function changed(name: string, change: (tensors: Map<string, SafeTensor>) => void): string {
  const { tensors } = readSafetensors(bytesOf("float/ckpt-1.safetensors"), "float");
  change(tensors);
  return copyOf("float", name, "ckpt-1.safetensors", writeSafetensors(tensors));
}

/** The export with another quantization.json. */
function tampered(name: string, change: (text: string) => string): string {
  const before = textOf("int8/quantization.json");
  const after = change(before);
  expect(after).not.toBe(before);
  return copyOf("int8", name, "quantization.json", after);
}

/** First tensor of the feed-forward network, whose name is the same in every model here. */
const KERNEL = /ffn\/dense1\/kernel$/;

function kernelIn(tensors: Map<string, SafeTensor>): [string, SafeTensor & { dtype: "F32" }] {
  return [...tensors].find(([name]) => KERNEL.test(name)) as [
    string,
    SafeTensor & { dtype: "F32" },
  ];
}

const MODELS: [string, () => string, RegExp][] = [
  [
    "a missing tensor",
    () => changed("missing", (tensors) => tensors.delete(kernelIn(tensors)[0])),
    /received 1 missing \(.*ffn\/dense1\/kernel\)/,
  ],
  [
    "a surplus tensor",
    () =>
      changed("surplus", (tensors) => tensors.set("SequenceToSequence/x", kernelIn(tensors)[1])),
    /received 1 surplus \(SequenceToSequence\/x\)/,
  ],
  [
    "a misshapen tensor",
    () =>
      changed("misshapen", (tensors) => {
        const [name, { shape, data }] = kernelIn(tensors);
        tensors.set(name, { dtype: "F32", shape: [shape[1]!, shape[0]!], data });
      }),
    /received 1 of another shape/,
  ],
  [
    "NaN",
    () => changed("nan", (tensors) => (kernelIn(tensors)[1].data[0] = NaN)),
    /expected finite weights, received 1 with NaN .*ffn\/dense1\/kernel/,
  ],
  [
    "a truncated file",
    () => {
      const whole = bytesOf("float/ckpt-1.safetensors");
      return copyOf("float", "cut", "ckpt-1.safetensors", whole.slice(0, -10));
    },
    /truncated or damaged/,
  ],
  ...(
    [
      ["an empty file", new Uint8Array(0), /at least 8 bytes, received 0/],
      ["a huge header", safetensors("{}", undefined, 2n ** 62n), /at most 100000000 bytes/],
      ["a long header", safetensors("{}", undefined, 5000n), /a header of 5000 bytes/],
      ["no JSON", safetensors("hello"), /expected JSON/],
      ["deep nesting", safetensors(`{"a":${"[".repeat(9999)}${"]".repeat(9999)}}`), /200 nested/],
      ["__proto__", safetensors('{"__proto__":{}}'), /received "__proto__"/],
      ["a repeated name", safetensors('{"a":{},"a":{}}'), /received "a" twice/],
      [
        "overlapping offsets",
        safetensors(
          '{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},' +
            '"b":{"dtype":"I8","shape":[4],"data_offsets":[2,6]}}',
          new Uint8Array(6),
        ),
        /overlaps another tensor/,
      ],
      [
        "an endless shape",
        safetensors('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}'),
        /data_offsets .* bytes apart/,
      ],
    ] as const
  ).map(([name, bytes, message]): [string, () => string, RegExp] => [
    name,
    () => copyOf("float", name, "ckpt-1.safetensors", bytes),
    message,
  ]),
];

const EXPORTS: [string, (text: string) => string, RegExp][] = [
  ["another hash", (t) => t.replace(/("tensors_sha256": ?")..../, "$10000"), /SHA-256/],
  ["a wrong scale", (t) => t.replace(/("scale": ?)[\d.e-]+/, "$1123"), /of scale 123, received/],
  ["a negative scale", (t) => t.replace(/("scale": ?)[\d.e-]+/, "$1-1"), /a positive scale/],
  ["a NaN scale", (t) => t.replace(/("scale": ?)[\d.e-]+/, "$1NaN"), /expected JSON/],
  ["a wrong zero point", (t) => t.replace(/("zero_point": ?)0/, "$15"), /zero_point 0, received 5/],
  ["9 bits", (t) => t.replace(/("kind": ?"act",\s*"bits": ?)8/, "$19"), /codes from -256 to 255/],
  ["other heads", (t) => t.replace(/(num_attention_heads": ?)\d+/, "$11"), /num_attention_heads/],
  ["another end token", (t) => t.replace(/("eos": ?)\d+/, "$10"), /expected eos to be 0/],
  ["an impossible token", (t) => t.replace(/("eos": ?)\d+/, "$199"), /expected eos below/],
  ["a later version", (t) => t.replace(/("version": ?)1/, "$17"), /expected 1, received 7/],
  ["a repeated key", (t) => t.replace(/"version": ?1,/, "$&$&"), /"version" twice/],
  ["half a file", (t) => t.slice(0, 100), /expected JSON/],
];

describe("bad models", () => {
  beforeAll(makeModels);
  afterAll(removeModels);

  it.each(MODELS)("a checkpoint with %s", async (_, model, message) => {
    const path = model();
    await expectError(["predict", path, "--backend", "wasm"], 3, message);
    await expectError(train("new", "--pretrain_model", path), 3, message);
  });
  it.each(EXPORTS)("quantization.json with %s", (name, change, message) =>
    expectError(["predict", tampered(`int8 ${name}`, change), "--backend", "wasm"], 3, message),
  );
});
