/** On what the figures were measured. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { packageVersion } from "../src/recipe/package-version.ts";

/** Versions and machine. */
export interface Environment {
  readonly date: string;
  readonly node: string;
  readonly tfjs: string;
  readonly tfjs_qat: string;
  /** Null where no Python was given. */
  readonly torch: string | null;
  readonly cpu: string;
  readonly logical_cores: number;
  readonly threads: 1;
}

export function environmentOf(torch: string | null): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    tfjs: versionOf("@tensorflow/tfjs"),
    tfjs_qat: packageVersion(),
    torch,
    cpu: processors[0]?.model.trim() ?? "unknown",
    logical_cores: processors.length,
    threads: 1,
  };
}

export function describeEnvironment(environment: Environment): string {
  const { date, node, tfjs, tfjs_qat: own, torch, cpu, logical_cores: cores } = environment;
  const pytorch = torch === null ? "" : `, PyTorch ${torch}`;
  return (
    `${date}: tfjs-qat ${own}, TensorFlow.js ${tfjs}, Node ${node}${pytorch}; ` +
    `${cpu}, ${cores} logical cores, 1 thread.`
  );
}

function versionOf(name: string): string {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
