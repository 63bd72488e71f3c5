/** A web server on this machine for one page, as small as it can be. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** Headers that give a page shared memory, and so TensorFlow.js its threads. */
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export interface PageServer {
  readonly url: string;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/**
 * Serves an empty page at `/` and files below their folders.
 * @param folders by the first part of the path: `{ wasm: "dist" }` serves `dist/a.wasm` as `/wasm/a.wasm`
 */
export async function servePage(
  folders: Readonly<Record<string, string>>,
  isIsolated: boolean,
): Promise<PageServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    requests.push(path);
    void bodyOf(path, folders).then((body) => {
      response.writeHead(body === null ? 404 : 200, {
        "Content-Type": path === "/" ? "text/html" : (TYPES[extname(path)] ?? "text/plain"),
        ...(isIsolated ? ISOLATION : {}),
      });
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(
  path: string,
  folders: Readonly<Record<string, string>>,
): Promise<string | Uint8Array | null> {
  if (path === "/") return '<!doctype html><link rel="icon" href="data:,"><title>tfjs-qat</title>';
  const [, name, file] = /^\/(\w+)\/([\w.-]+)$/.exec(path) ?? [];
  const folder = name === undefined ? undefined : folders[name];
  if (folder === undefined) return null;
  return readFile(join(folder, file!)).catch(() => null);
}
