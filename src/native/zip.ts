/**
 * Reads zip archives, as far as Python's wheels use them: stored or deflated entries below 4 GB.
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { createReadStream, createWriteStream, mkdirSync, type ReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { FormatError } from "../errors.ts";

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly packedSize: number;
  readonly crc: number;
  readonly isDeflated: boolean;
  /** Permissions; 0 where the archive says none. */
  readonly mode: number;
  /** Where its header starts. */
  readonly offset: number;
}

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** The end record, and the longest comment that may follow it. */
const END_ROOM = 22 + 65535;

/**
 * The files of an archive.
 * @throws {FormatError} if it is cut off or no zip archive
 */
export async function zipEntries(path: string): Promise<ZipEntry[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await bytesAt(file, Math.max(0, size - END_ROOM), Math.min(size, END_ROOM));
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
    if (end < 0) throw damaged(path, "no end record: the file is cut off or no archive");
    const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
    if (start + length > size) throw damaged(path, "a directory beyond its end");
    return directoryEntries(await bytesAt(file, start, length), path);
  } finally {
    await file.close();
  }
}

/**
 * Writes entries as files below a folder, and checks them.
 * @param onBytes receives the number of bytes with each piece that is written
 * @throws {FormatError} if an entry is damaged
 */
export async function unpackEntries(
  path: string,
  entries: readonly ZipEntry[],
  folder: string,
  onBytes: (count: number) => void = () => undefined,
): Promise<void> {
  const file = await open(path);
  try {
    for (const entry of entries) {
      const header = await bytesAt(file, entry.offset, 30);
      if (header.length < 30 || header.readUInt32LE(0) !== LOCAL) {
        throw damaged(path, `no header of ${entry.name}`);
      }
      const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      await unpackEntry({ path, entry, start, target: join(folder, entry.name), onBytes });
    }
  } finally {
    await file.close();
  }
}

interface Unpacking {
  readonly path: string;
  readonly entry: ZipEntry;
  readonly start: number;
  readonly target: string;
  readonly onBytes: (count: number) => void;
}

async function unpackEntry({ path, entry, start, target, onBytes }: Unpacking): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  let [crc, size] = [0, 0];
  const check = new Transform({
    transform(piece: Buffer, _encoding, done) {
      crc = crc32(piece, crc);
      size += piece.length;
      onBytes(piece.length);
      done(null, piece);
    },
  });
  const executable = (entry.mode & 0o111) === 0 ? 0o644 : 0o755;
  const sink = createWriteStream(target, { mode: executable });
  const source = partOf(path, start, entry.packedSize);
  try {
    if (entry.isDeflated) await pipeline(source, createInflateRaw(), check, sink);
    else await pipeline(source, check, sink);
  } catch (error) {
    // An error of zlib is one of the data; one of the disk goes on as it is.
    if (!/^Z_/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw damaged(path, `${entry.name} that cannot be inflated`);
  }
  if (crc !== entry.crc || size !== entry.size) {
    throw damaged(path, `${entry.name} with another checksum`);
  }
}

function partOf(path: string, start: number, size: number): ReadStream {
  const end = start + size - 1;
  // An end before the start is refused; nothing is read at the end of a file either way.
  return size === 0
    ? createReadStream("/dev/null")
    : createReadStream(path, { start, end, highWaterMark: 1 << 20 });
}

function directoryEntries(bytes: Buffer, path: string): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= bytes.length;) {
    if (bytes.readUInt32LE(at) !== CENTRAL) throw damaged(path, "a broken directory");
    const method = bytes.readUInt16LE(at + 10);
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    if (method !== 0 && method !== 8) throw damaged(path, `${name} packed by method ${method}`);
    if (name.split("/").includes("..") || name.startsWith("/")) {
      throw damaged(path, `the name ${name}`);
    }
    if (!name.endsWith("/")) {
      entries.push({
        name,
        size: bytes.readUInt32LE(at + 24),
        packedSize: bytes.readUInt32LE(at + 20),
        crc: bytes.readUInt32LE(at + 16),
        isDeflated: method === 8,
        mode: bytes.readUInt32LE(at + 38) >>> 16,
        offset: bytes.readUInt32LE(at + 42),
      });
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return entries;
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function damaged(path: string, received: string): FormatError {
  return new FormatError(
    `${path}: expected a whole zip archive, received ${received}. Fetch the file again.`,
  );
}
