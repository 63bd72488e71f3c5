/** Lines of UTF-8 text files, read as a stream and checked strictly. */
import { createReadStream, readFileSync } from "node:fs";
import { DataError } from "../errors.ts";
import { fileProblem, isFileError } from "./file-error.ts";

/** A longer line means that the file is not text of one sentence a line. */
const LONGEST_LINE = 1 << 20;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Lines of a UTF-8 file, without their ends. LF and CRLF end a line, nothing else does; an end after
 * the last line makes no further, empty line. A byte order mark at the start is left out.
 * @throws {DataError} for a missing or unreadable file, a directory, bytes that are not UTF-8
 *   (with the line number and the byte), a NUL byte, a line over 1 MiB
 */
export async function* readTextLines(path: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 0;
  for await (const bytes of lineBytes(path)) {
    number++;
    yield decodeLine(decoder, bytes, path, number);
  }
}

/** All lines of a UTF-8 file; see {@link readTextLines}. */
export async function readAllLines(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readTextLines(path)) lines.push(line);
  return lines;
}

/**
 * A whole, small UTF-8 file, such as a configuration or a vocabulary; a byte order mark is left out.
 * @param what the file in messages, such as `a vocabulary file`
 * @param fix what to do where it cannot be read
 * @throws {DataError} for a missing or unreadable file, and for bytes that are not UTF-8 (with the
 *   line number and the byte)
 */
export function readTextFile(path: string, what: string, fix: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (!isFileError(error)) throw error;
    throw new DataError(`${path}: expected ${what}, received ${fileProblem(error)}. ${fix}`, {
      cause: error,
    });
  }
  return decodeText(bytes, path);
}

/**
 * UTF-8 text without its byte order mark.
 * @param where the bytes' origin in messages
 * @throws {DataError} for bytes that are not UTF-8, with the line number and the byte
 */
export function decodeText(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const at = firstInvalidByte(bytes);
    const start = at === 0 ? 0 : bytes.lastIndexOf(LINE_FEED, at - 1) + 1;
    const line = bytes.subarray(0, start).reduce((n, byte) => n + (byte === LINE_FEED ? 1 : 0), 1);
    throw misencoded(where, line, bytes.subarray(start), at - start);
  }
}

/** The bytes between line feeds. */
async function* lineBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let pending: Uint8Array[] = [];
  let pendingLength = 0;
  let number = 1;
  for await (const chunk of chunks(path)) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      yield joined(pending, chunk.subarray(start, end));
      pending = [];
      pendingLength = 0;
      number++;
      start = end + 1;
    }
    pending.push(chunk.subarray(start));
    pendingLength += chunk.length - start;
    if (pendingLength > LONGEST_LINE) {
      throw new DataError(
        `${path}:${number}: expected a line of at most ${LONGEST_LINE} bytes, received a longer one. ` +
          "Give a text file with one sentence a line.",
      );
    }
  }
  if (pendingLength > 0) yield joined(pending, new Uint8Array(0));
}

async function* chunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Uint8Array;
  } catch (error) {
    throw readError(path, error);
  }
}

function readError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new DataError(`${path}: expected a text file, received no such file. Check the path.`, {
      cause: error,
    });
  }
  if (code === "EISDIR") {
    return new DataError(
      `${path}: expected a text file, received a directory. Give the file inside it.`,
      { cause: error },
    );
  }
  if (code === "EACCES" || code === "EPERM") {
    return new DataError(
      `${path}: expected a readable file, received "${code}". Check its permissions.`,
      { cause: error },
    );
  }
  return error;
}

function joined(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  if (parts.length === 0) return last;
  const all = [...parts, last];
  const result = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of all) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

function decodeLine(decoder: TextDecoder, bytes: Uint8Array, path: string, number: number): string {
  const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
  const hasMark = number === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const content = bytes.subarray(hasMark ? 3 : 0, end);
  let line: string;
  try {
    line = decoder.decode(content);
  } catch {
    throw misencoded(path, number, bytes, firstInvalidByte(bytes));
  }
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw misencoded(path, number, bytes, nul);
  return line;
}

function misencoded(path: string, line: number, bytes: Uint8Array, at: number): DataError {
  const byte = `0x${bytes[at]!.toString(16).padStart(2, "0")}`;
  const isUtf16 = line === 1 && at === 0 && (bytes[0] === 0xff || bytes[0] === 0xfe);
  const guess = isUtf16 ? " (UTF-16?)" : "";
  return new DataError(
    `${path}:${line}: expected UTF-8 text, received byte ${byte} at column ${at + 1}${guess}. ` +
      "Convert the file to UTF-8, for example with iconv.",
  );
}

/** Offset of the byte where the first ill-formed sequence starts (Unicode 15, table 3-7). */
function firstInvalidByte(bytes: Uint8Array): number {
  let i = 0;
  while (i < bytes.length) {
    const length = sequenceLength(bytes, i);
    if (length === 0) return i;
    i += length;
  }
  return 0;
}

/** Length of the well-formed UTF-8 sequence at `i`, or 0. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i]!;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte excludes overlong forms, surrogates and what lies above U+10FFFF.
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  for (let k = 1; k < length; k++) {
    const byte = bytes[i + k] ?? 0;
    if (byte < (k === 1 ? low : 0x80) || byte > (k === 1 ? high : 0xbf)) return 0;
  }
  return length;
}
