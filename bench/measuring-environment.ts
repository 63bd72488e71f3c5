/** Environment variables of the processes that measure. */

/** Settings that machines make for other numerical libraries are left out. */
export function measuringEnvironment(threads: number): NodeJS.ProcessEnv {
  const count = String(threads);
  const env: NodeJS.ProcessEnv = { ...process.env, OMP_NUM_THREADS: count, MKL_NUM_THREADS: count };
  delete env["OPENBLAS_CORETYPE"];
  delete env["OPENBLAS_L2_SIZE"];
  return env;
}
