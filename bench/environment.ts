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
  /** The TensorFlow under TensorFlow.js' native backend; null where none was measured. */
  readonly tensorflow: string | null;
  readonly cpu: string;
  readonly logical_cores: number;
  readonly threads: number;
}

/** What only the measuring processes know; by default one thread, and none of these programs. */
export type Measured = Partial<Pick<Environment, "torch" | "tensorflow" | "threads">>;

export function environmentOf({
  torch = null,
  tensorflow = null,
  threads = 1,
}: Measured = {}): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    tfjs: versionOf("@tensorflow/tfjs"),
    tfjs_qat: packageVersion(),
    torch,
    tensorflow,
    cpu: processors[0]?.model.trim() ?? "unknown",
    logical_cores: processors.length,
    threads,
  };
}

export function describeEnvironment(environment: Environment): string {
  const { date, node, tfjs, tfjs_qat: own, torch, tensorflow, cpu, threads } = environment;
  const native = tensorflow === null ? "" : `, TensorFlow ${tensorflow}`;
  const pytorch = torch === null ? "" : `, PyTorch ${torch}`;
  return (
    `${date}: tfjs-qat ${own}, TensorFlow.js ${tfjs}${native}, Node ${node}${pytorch}; ` +
    `${cpu}, ${environment.logical_cores} logical cores, ${threads} thread${threads === 1 ? "" : "s"}.`
  );
}

function versionOf(name: string): string {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
