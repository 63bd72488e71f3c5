import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { servePage } from "./page-server.ts";
import type { train } from "./train-page.ts";
import { trainRun, type TrainRun } from "./train-run.ts";

const CHROMIUM = "/usr/bin/chromium";
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const ROOT = join(import.meta.dirname, "../..");
const FOLDERS = {
  model: join(ROOT, "pretrained/transformer-lohelp"),
  wasm: join(ROOT, "node_modules/@tensorflow/tfjs-backend-wasm/dist"),
};

const isInstalled = existsSync(CHROMIUM);
/** Set where a browser must be there, so that these tests cannot go missing unseen. */
const isRequired = process.env["TFJS_QAT_REQUIRE_CHROMIUM"] === "1";

let browser: Browser;
let bundles: string;

beforeAll(async () => {
  if (!isInstalled) return;
  bundles = await mkdtemp(join(tmpdir(), "tfjs-qat-browser-"));
  // Nothing is external here: a module of Node's that is reached fails the build.
  await bundle("train-page", []);
  await bundle("layer-page", ["node:*"]);
  // A user data directory that is new and empty, and deleted at the end.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
});

afterAll(async () => {
  if (!isInstalled) return;
  await browser.close();
  await rm(bundles, { recursive: true });
});

beforeEach(({ skip }) => {
  if (isInstalled) return;
  if (!isRequired) skip(`no browser at ${CHROMIUM}`);
  throw new Error(
    `browser: expected ${CHROMIUM}, received none. Install it with "apt-get install chromium".`,
  );
});

async function bundle(page: string, external: string[]): Promise<void> {
  await build({
    entryPoints: [join(import.meta.dirname, `${page}.ts`)],
    outdir: bundles,
    bundle: true,
    format: "esm",
    minify: true,
    external,
    logLevel: "error",
  });
}

interface Visit {
  readonly isIsolated?: boolean;
  /** What the page takes for the number of the computer's cores. */
  readonly cores?: number;
  /** Evaluated in the page. */
  readonly script: string;
}

/** What a script gives in a new page, what the page printed, and the wasm files that it asked for. */
async function visit<T>({ isIsolated = false, cores, script }: Visit) {
  const server = await servePage({ ...FOLDERS, bundles }, isIsolated);
  const page = await browser.newPage();
  try {
    const errors: Error[] = [];
    const printed: string[] = [];
    page.on("pageerror", (error) => errors.push(error));
    page.on("console", (message) => printed.push(message.text()));
    if (cores !== undefined) {
      await page.addInitScript(
        `Object.defineProperty(navigator, "hardwareConcurrency", { get: () => ${cores} })`,
      );
    }
    await page.goto(server.url);
    const result = await page.evaluate<T>(script);
    const wasmFiles = server.requests.filter((path) => path.endsWith(".wasm"));
    return { result, errors, printed, wasmFiles };
  } finally {
    await page.close();
    await server.close();
  }
}

describe("fine-tuning the shipped model for 20 steps in Chromium", () => {
  const script = 'import("/bundles/train-page.js").then(({ train }) => train())';
  let inNode: TrainRun;

  beforeAll(async () => {
    if (isInstalled) inNode = await trainRun((name) => readFile(join(FOLDERS.model, name)));
  });

  const pages = [
    {
      name: "a page",
      visitor: {},
      facts: { isIsolated: false, memory: "ArrayBuffer", threads: 1 },
      wasmFile: "tfjs-backend-wasm-simd.wasm",
    },
    {
      // Four cores make two threads, whatever the computer has.
      name: "an isolated page, with shared memory and threads",
      visitor: { isIsolated: true, cores: 4 },
      facts: { isIsolated: true, memory: "SharedArrayBuffer", threads: 2 },
      wasmFile: "tfjs-backend-wasm-threaded-simd.wasm",
    },
  ];

  it.each(pages)("gives Node's numbers to the last bit in $name", async (page) => {
    type Trained = Awaited<ReturnType<typeof train>>;
    const { result, ...seen } = await visit<Trained>({ ...page.visitor, script });
    expect(seen).toEqual({ errors: [], printed: [], wasmFiles: [`/wasm/${page.wasmFile}`] });
    expect(result.facts).toEqual(page.facts);
    const execution = "compiled";
    const expected = { backend: "wasm", fallbacks: [], execution, notice: null };
    expect(result.run.report).toMatchObject(expected);
    expect(result.run.losses).toHaveLength(20);
    expect(new Set(result.run.losses).size).toBe(20);
    expect(result.run).toStrictEqual(inNode);
  });
});

describe("a layer of one's own in Chromium", () => {
  it("trains in a tf.sequential and prints what it prints in Node", async () => {
    const script = 'import("/bundles/layer-page.js").then(() => null)';
    const { errors, printed } = await visit<null>({ script });
    expect(errors).toEqual([]);
    const main = "examples/quantized-layer/main.ts";
    const inNode = await promisify(execFile)(process.execPath, ["--import", "tsx", main], {
      cwd: ROOT,
    });
    expect(printed).toEqual(inNode.stdout.trimEnd().split("\n"));
  });
});
