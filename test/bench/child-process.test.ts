import { describe, expect, it } from "vitest";
import { Child } from "../../bench/child-process.ts";

const ECHO = 'process.stdin.on("data", (line) => process.stdout.write(line))';
const node = (program: string): Child =>
  Child.ofProgram("test", process.execPath, ["-e", program], process.env);

describe("a measuring process", () => {
  it("answers line by line, and ends", async () => {
    const child = node(ECHO);
    expect(await child.request({ value: 1 })).toEqual({ value: 1 });
    expect(await child.request({ value: 2 })).toEqual({ value: 2 });
    await child.close();
  });

  it("tells its error", async () => {
    const child = node(ECHO);
    await expect(child.request({ error: "no PyTorch here" })).rejects.toThrow("no PyTorch here");
    await child.close();
  });

  it("tells how it failed", async () => {
    const child = node('console.error("broken"); process.exit(3)');
    await expect(child.request({})).rejects.toThrow(
      /process "test": expected an answer, received none: it ended with status 3\.[^]*broken/,
    );
  });

  it("tells that there is no such program", async () => {
    const child = Child.ofProgram("torch float", "/no/such/python", [], process.env);
    await expect(child.request({})).rejects.toThrow(
      /process "torch float": expected an answer, received none: spawn .* ENOENT/,
    );
  });
});
