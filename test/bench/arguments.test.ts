import { describe, expect, it } from "vitest";
import { HELP, parseBenchArguments } from "../../bench/arguments.ts";
import { ConfigError, UnknownNameError } from "../../src/errors.ts";

describe("the arguments of the benchmarks", () => {
  it.each([
    ["step", { subcommand: "step", json: false, python: null }],
    ["step --json --python a/b", { subcommand: "step", json: true, python: "a/b" }],
    ["--json kernels", { subcommand: "kernels", json: true, python: null }],
    ["decode", { subcommand: "decode", json: false, python: null }],
    ["recurrent", { subcommand: "recurrent", json: false, python: null }],
    ["ptq", { subcommand: "ptq", json: false, python: null }],
  ])("%s", (line, expected) => {
    expect(parseBenchArguments(line.split(" "))).toEqual({ ...expected, native: null });
  });

  it.each([
    ["native", { workloads: ["reference", "base", "lstm", "gnmt"], threads: 2, turns: null }],
    ["native --threads 4 --turns 1 --workload lstm", { workloads: ["lstm"], threads: 4, turns: 1 }],
    [
      "native --workload base --workload reference",
      { workloads: ["base", "reference"], threads: 2, turns: null },
    ],
  ])("%s", (line, native) => {
    const python = "a/b";
    expect(parseBenchArguments([...line.split(" "), "--python", python])).toEqual({
      ...{ subcommand: "native", json: false, python, native },
    });
  });

  it.each([["--help"], ["-h"], ["step --help"]])("%s asks for help", (line) => {
    expect(parseBenchArguments(line.split(" "))).toBeNull();
  });

  it.each([
    [
      "",
      "bench: expected step, native, kernels, recurrent, decode, ptq or --help, received nothing. Name one of them.",
    ],
    ["step decode", 'expected one subcommand, received "step" and "decode". Run them one by one.'],
    ["step --steps=4", "received another flag (Unknown option '--steps'). See --help."],
    ["step --python", "received another flag (Option '--python <value>' argument missing)."],
    ["decode --python p", 'bench decode: expected no --python, received "p". Only step and native'],
    ["step --threads 2", 'bench step: expected no --threads, received "2". It belongs to native'],
    ["native --threads 0", 'expected a whole number from 1 to 16 as --threads, received "0".'],
    ["native --turns 2.5", 'expected a whole number from 1 to 1000 as --turns, received "2.5".'],
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
      'bench: expected one of "step", "native", "kernels", "recurrent", "decode", "ptq", received "steps". Did you mean "step"?',
    );
  });

  it("knows a workload that is nearly right", () => {
    const error = errorOf(() => parseBenchArguments(["native", "--workload", "lstms"]));
    expect(error).toBeInstanceOf(UnknownNameError);
    expect(error.message).toContain('received "lstms". Did you mean "lstm"?');
  });

  it("are all in the help", () => {
    const subcommands = ["step", "native", "kernels", "decode"];
    const flags = [
      "--json",
      "--python PATH",
      "--help",
      "--threads N",
      "--workload NAME",
      "--turns N",
    ];
    for (const word of [...subcommands, ...flags, "reference, base, lstm, gnmt", "3 to 7"]) {
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
