import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readAllLines } from "../../src/data/text-file.ts";
import { DataError } from "../../src/errors.ts";

const directory = mkdtempSync(join(tmpdir(), "text-file-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function file(content: string | Uint8Array): string {
  const path = join(directory, "text");
  writeFileSync(path, content);
  return path;
}

async function messageOf(path: string): Promise<string> {
  const error: unknown = await readAllLines(path).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
}

describe("readAllLines", () => {
  it.each([
    ["", []],
    ["a", ["a"]],
    ["a\n", ["a"]],
    ["a\n\nb\n\n", ["a", "", "b", ""]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["a\rb\u2028c\u0085d\x0be\n", ["a\rb\u2028c\u0085d\x0be"]],
    ["\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]],
    ["ä€😀\n", ["ä€😀"]],
  ])("splits %j at line feeds alone", async (content, lines) => {
    expect(await readAllLines(file(content))).toEqual(lines);
  });

  it("joins lines and characters that lie across the chunks of the stream", async () => {
    // The stream reads 65,536 bytes at a time; three-byte characters do not divide that.
    const lines = ["x", "€".repeat(100_000), "ü".repeat(65_536), "end"];
    expect(await readAllLines(file(lines.join("\n")))).toEqual(lines);
  });

  it("names a missing file and a directory", async () => {
    expect(await messageOf(join(directory, "none"))).toMatch(/none: expected .* no such file/);
    expect(await messageOf(directory)).toMatch(/received a directory/);
  });

  it.each([
    ["a stray byte", [0x61, 0x0a, 0x62, 0xff], ":2: ", "0xff at column 2"],
    ["a cut sequence", [0xe2, 0x82], ":1: ", "0xe2 at column 1"],
    ["an overlong form", [0x61, 0xc0, 0xaf], ":1: ", "0xc0 at column 2"],
    ["a surrogate", [0xed, 0xa0, 0x80], ":1: ", "0xed at column 1"],
    ["beyond Unicode", [0xf4, 0x90, 0x80, 0x80], ":1: ", "0xf4 at column 1"],
    ["Latin-1", [...Buffer.from("gut\nGr\xfc\xdfe\n", "latin1")], ":2: ", "0xfc at column 3"],
    ["NUL", [0x61, 0x00], ":1: ", "0x00 at column 2"],
    ["UTF-16", [0xff, 0xfe, 0x61, 0x00], ":1: ", "0xff at column 1 (UTF-16?)"],
  ])("refuses %s with line and byte", async (_, bytes, line, byte) => {
    const message = await messageOf(file(Uint8Array.from(bytes)));
    expect(message).toContain(line);
    expect(message).toContain(byte);
  });

  it("refuses a line that is no sentence", async () => {
    expect(await messageOf(file("x".repeat((1 << 20) + 1)))).toMatch(/at most 1048576 bytes/);
  });
});
