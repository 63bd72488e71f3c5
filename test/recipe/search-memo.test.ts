import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { SearchMemo } from "../../src/recipe/search-memo.ts";

describe("SearchMemo", () => {
  let directory: string;
  let path: string;
  const of = { model: "m", text: "t" };
  const never = (): Promise<number> => Promise.reject(new Error("computed again"));

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "search-memo-"));
    path = join(directory, "search.jsonl");
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it("computes each number once, also after a kill in the middle of a line", async () => {
    const memo = SearchMemo.open(path, of);
    expect(await memo.remember("a", () => Promise.resolve(0.1 + 0.2))).toBe(0.1 + 0.2);
    await memo.remember("b", () => Promise.resolve(2));
    const complete = readFileSync(path, "utf8");
    appendFileSync(path, '{"key":"c","val');
    const again = SearchMemo.open(path, of);
    expect(again.size).toBe(2);
    expect(readFileSync(path, "utf8")).toBe(complete);
    expect(await again.remember("a", never)).toBe(0.1 + 0.2);
    expect(await again.remember("c", () => Promise.resolve(3))).toBe(3);
    expect(await SearchMemo.open(path, of).remember("c", never)).toBe(3);
  });

  it("keeps nothing of a computation that fails", async () => {
    const memo = SearchMemo.open(path, of);
    await expect(memo.remember("a", never)).rejects.toThrow("computed again");
    expect(SearchMemo.open(path, of).size).toBe(0);
  });

  it("refuses the file of another search and one that is none, and leaves them as they are", () => {
    SearchMemo.open(path, of);
    const before = readFileSync(path, "utf8");
    const other = () => SearchMemo.open(path, { ...of, text: "u" });
    expect(other).toThrow(ConfigError);
    expect(other).toThrow(/received one with another text/);
    expect(readFileSync(path, "utf8")).toBe(before);
    for (const text of ["notes\n", "notes"]) {
      writeFileSync(path, text);
      expect(() => SearchMemo.open(path, of)).toThrow(/no first line that says so/);
      expect(readFileSync(path, "utf8")).toBe(text);
    }
  });
});
