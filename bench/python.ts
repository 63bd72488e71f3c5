/** The Python that runs the PyTorch program. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../src/errors.ts";
import { Child } from "./child-process.ts";
import type { StepJob } from "./step-protocol.ts";

/** @throws {ConfigError} if it cannot be started or has no PyTorch */
export function requirePyTorch(python: string): void {
  const { error, status, stderr } = spawnSync(python, ["-c", "import torch"], {
    env: environment(),
    encoding: "utf8",
  });
  if (status === 0) return;
  const reason = error?.message ?? stderr.trim().split("\n").at(-1)!;
  throw new ConfigError(
    `--python: expected a Python with PyTorch, received "${python}" (${reason}). ` +
      "Install it there (pip install torch numpy), or name another Python.",
  );
}

/** Starts the program that measures PyTorch. */
export function startPyTorch(python: string, job: StepJob): Child {
  const program = fileURLToPath(new URL("transformer.py", import.meta.url));
  return Child.ofProgram(job.variant, python, [program, JSON.stringify(job)], environment());
}

/** One thread; without settings that machines make for other numerical libraries. */
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
  delete env["OPENBLAS_CORETYPE"];
  delete env["OPENBLAS_L2_SIZE"];
  return env;
}
