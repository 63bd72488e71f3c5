import { describe, expect, it } from "vitest";
import { HELP, parseBenchArguments } from "../../bench/arguments.ts";
import { ConfigError, UnknownNameError } from "../../src/errors.ts";

describe("the arguments of the benchmarks", () => {
  it.each([
    ["step", { subcommand: "step", json: false, python: null }],
    ["step --json --python a/b", { subcommand: "step", json: true, python: "a/b" }],
    ["--json kernels", { subcommand: "kernels", json: true, python: null }],
    ["decode", { subcommand: "decode", json: false, python: null }],
  ])("%s", (line, expected) => {
    expect(parseBenchArguments(line.split(" "))).toEqual(expected);
  });

  it.each([["--help"], ["-h"], ["step --help"]])("%s asks for help", (line) => {
    expect(parseBenchArguments(line.split(" "))).toBeNull();
  });

  it.each([
    ["", "bench: expected step, kernels, decode or --help, received nothing. Name one of them."],
    ["step decode", 'expected one subcommand, received "step" and "decode". Run them one by one.'],
    ["step --steps=4", "received another flag (Unknown option '--steps'). See --help."],
    ["step --python", "received another flag (Option '--python <value>' argument missing)."],
    ["decode --python p", 'bench decode: expected no --python, received "p". Only step has'],
  ])("refuses '%s'", (line, message) => {
    const argv = line === "" ? [] : line.split(" ");
    const error = errorOf(() => parseBenchArguments(argv));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(message);
  });

  it("knows a subcommand that is nearly right", () => {
    const error = errorOf(() => parseBenchArguments(["steps"]));
    expect(error).toBeInstanceOf(UnknownNameError);
    expect(error.message).toBe(
      'bench: expected one of "step", "kernels", "decode", received "steps". Did you mean "step"?',
    );
  });

  it("are all in the help", () => {
    for (const word of ["step", "kernels", "decode", "--json", "--python PATH", "--help"]) {
      expect(HELP).toContain(word);
    }
  });
});

function errorOf(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error, received none");
}
