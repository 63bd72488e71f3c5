import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cudaRequirements, unpackWheel } from "../../src/native/wheel.ts";
import { unpackEntries, zipEntries } from "../../src/native/zip.ts";
import { writeZip } from "./write-zip.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zip-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("zip archives", () => {
  it("give back their files", async () => {
    const text = "a".repeat(100_000);
    const path = writeZip(join(folder, "a.zip"), { "x/a.txt": text, empty: "" });
    const entries = await zipEntries(path);
    expect(entries.map(({ name, size }) => [name, size])).toEqual([
      ["x/a.txt", 100_000],
      ["empty", 0],
    ]);
    await unpackEntries(path, entries, join(folder, "out"));
    expect(readFileSync(join(folder, "out/x/a.txt"), "utf8")).toBe(text);
    expect(readFileSync(join(folder, "out/empty"), "utf8")).toBe("");
  });

  it.each([
    ["a changed byte", (bytes: Buffer) => bytes.writeUInt8(bytes[40]! ^ 1, 40), /received a\.txt/],
    [
      "a changed checksum",
      (bytes: Buffer) => bytes.writeUInt8(1, bytes.length - 22 - 51 + 16),
      /another checksum/,
    ],
    ["no end", (bytes: Buffer) => bytes.fill(0, bytes.length - 22), /no end record/],
  ])("are refused with %s", async (name, damage, message) => {
    const path = writeZip(join(folder, `${name}.zip`), { "a.txt": "some text, some text" });
    const bytes = readFileSync(path);
    damage(bytes);
    writeFileSync(path, bytes);
    const unpack = async () => unpackEntries(path, await zipEntries(path), join(folder, "bad"));
    await expect(unpack()).rejects.toThrow(message);
  });

  it("cannot write outside their folder", async () => {
    const path = writeZip(join(folder, "up.zip"), { "../up": "" });
    await expect(zipEntries(path)).rejects.toThrow(/received the name \.\.\/up/);
  });
});

it("a wheel gives its libraries, the headers that are needed, and its CUDA requirements", async () => {
  const path = writeZip(join(folder, "tensorflow.whl"), {
    "tensorflow/libtensorflow_cc.so.2": "cc",
    "tensorflow/include/tensorflow/c/c_api.h": "h",
    "tensorflow/include/llvm/x.h": "h",
    "tensorflow/python/a.py": "",
    "tensorflow-2.21.0.dist-info/METADATA":
      'Requires-Dist: numpy>=1.26.0\nRequires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"\n',
  });
  const site = join(folder, "site");
  const seen: number[] = [];
  await unpackWheel(path, site, (done, total) => seen.push(done / total));
  expect(seen.at(-1)).toBe(1);
  expect(readFileSync(join(site, "tensorflow/include/tensorflow/c/c_api.h"), "utf8")).toBe("h");
  expect(() => readFileSync(join(site, "tensorflow/include/llvm/x.h"))).toThrow();
  expect(() => readFileSync(join(site, "tensorflow/python/a.py"))).toThrow();
  expect(cudaRequirements(site)).toEqual(["nvidia-cudnn-cu12<10.0,>=9.3.0.75"]);
});
