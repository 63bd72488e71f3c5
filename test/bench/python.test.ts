import { expect, it } from "vitest";
import { requirePyTorch } from "../../bench/python.ts";

it.each([
  [
    "/no/such/python",
    /^--python: expected a Python with PyTorch, received "\/no\/such\/python" \(/,
  ],
  // It understands -c, but not what follows.
  [process.execPath, /received "[^"]*node[^"]*" \(.*\)\. Install it there \(pip install/],
])("refuses %s as a Python with PyTorch", (program, message) => {
  expect(() => {
    requirePyTorch(program);
  }).toThrow(message);
});
