import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { commandReference } from "../../scripts/generate-docs.ts";

it("docs/commands.md is what the schemas say (npm run docs)", async () => {
  expect(readFileSync("docs/commands.md", "utf8")).toBe(await commandReference());
});
