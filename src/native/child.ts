/** Runs one of our scripts in a process of its own, so that a crash of a library is an answer. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { lastWords, type Host, type RunOptions } from "./host.ts";

/** What a script answered, or why it did not. */
export type Answer =
  | { readonly isOk: true; readonly value: unknown }
  | { readonly isOk: false; readonly reason: string };

/** Marks the answer among what libraries may print. */
const MARK = "tfjs-qat-answer:";

/**
 * Runs `<name>.ts` of this folder, or what it was compiled to.
 * @param input given to the script as JSON
 */
export async function askScript(
  host: Host,
  name: string,
  input: unknown,
  options: RunOptions = {},
): Promise<Answer> {
  const isSource = import.meta.url.endsWith(".ts");
  const script = fileURLToPath(new URL(`${name}.${isSource ? "ts" : "js"}`, import.meta.url));
  const loader = isSource ? ["--import", createRequire(import.meta.url).resolve("tsx")] : [];
  const ran = await host.run(host.node.path, [...loader, script, JSON.stringify(input)], options);
  const line = ran.stdout.split("\n").find((text) => text.startsWith(MARK));
  if (line !== undefined) return JSON.parse(line.slice(MARK.length)) as Answer;
  const reason = ran.killedBy === null ? lastWords(ran) : `a crash (signal ${ran.killedBy})`;
  return { isOk: false, reason };
}

/** Answers from inside a script with what `work` returns or throws. */
export async function answer(work: (input: unknown) => Promise<unknown>): Promise<void> {
  let result: Answer;
  try {
    result = { isOk: true, value: await work(JSON.parse(process.argv[2] ?? "null")) };
  } catch (error) {
    result = { isOk: false, reason: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${MARK}${JSON.stringify(result)}\n`);
}
