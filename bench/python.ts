/** The Python that runs the PyTorch program. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../src/errors.ts";
import { Child } from "./child-process.ts";
import { measuringEnvironment } from "./measuring-environment.ts";
import type { AnyWorkload } from "./workloads.ts";

/** @throws {ConfigError} if it cannot be started or has no PyTorch */
export function requirePyTorch(python: string): void {
  const { error, status, stderr } = spawnSync(python, ["-c", "import torch"], {
    env: measuringEnvironment(1),
    encoding: "utf8",
  });
  if (status === 0) return;
  const reason = error?.message ?? stderr.trim().split("\n").at(-1)!;
  throw new ConfigError(
    `--python: expected a Python with PyTorch, received "${python}" (${reason}). ` +
      "Install it there (pip install torch numpy), or name another Python.",
  );
}

/** Given to a PyTorch program when it starts. */
export interface TorchJob {
  /** File in this folder. */
  readonly program: "transformer.py" | "lstm_stack.py" | "gnmt.py";
  /** Null for a program that has one workload. */
  readonly workload: Pick<AnyWorkload, "size" | "labelSmoothing" | "clipNorm"> | null;
  /** Where the workload's data are. */
  readonly directory: string;
  readonly quantized: boolean;
  /** By torch.compile. */
  readonly compiled: boolean;
  readonly threads: number;
}

/** Starts a program that measures PyTorch. @param name what messages call it */
export function startPyTorch(python: string, name: string, job: TorchJob): Child {
  const program = fileURLToPath(new URL(job.program, import.meta.url));
  const args = [program, JSON.stringify(job)];
  // What torch.compile has kept of earlier runs would hide what it costs.
  const cache = { TORCHINDUCTOR_CACHE_DIR: join(job.directory, "inductor") };
  const env = { ...measuringEnvironment(job.threads), ...cache };
  return Child.ofProgram(name, python, args, env);
}
