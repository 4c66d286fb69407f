import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isObject, optional, optionalString } from "../json.ts";
import type { CachedMetadata, CacheLookup, MetadataCache } from "../ports.ts";

const MAGIC = "lading-cache-v1 ";
const NEWLINE = 0x0a;

/**
 * Larger entries are written while the process does other things. Of a small one, handing it to another thread and back
 * takes several times what writing it does, and there are hundreds of them.
 */
const WRITTEN_AT_ONCE_BYTES = 256 * 1024;

/**
 * A metadata cache in a directory, one file per document (`docs/spec/client-configuration.md` §metadata cache). Each
 * file begins with the digest of the rest, which is compared on every read; a file that fails is deleted. Several
 * processes may use one directory.
 */
export function createDiskCache(directory: string): MetadataCache {
  const root = join(directory, "metadata-v1");
  const registryDirectory = (url: string): string => join(root, sha256(Buffer.from(url)).slice(0, 16));
  // Named by digest, so that no path of a registry's choosing, however spelt, reaches the file system.
  const fileOf = (url: string, path: string): string => {
    const name = sha256(Buffer.from(path));
    return join(registryDirectory(url), name.slice(0, 2), `${name}.entry`);
  };
  return {
    get: async (url, path) => {
      const file = fileOf(url, path);
      const found = readEntry(file, url, path);
      // Best effort: an entry that cannot be removed is replaced, or found damaged again.
      if (found.status === "corrupt") await rm(file, { force: true, recursive: true }).catch(() => {});
      return found;
    },
    put: async (url, path, entry) => writeAtomically(fileOf(url, path), encodeEntry(url, path, entry)),
    delete: (url, path) => rm(fileOf(url, path), { force: true }),
    clear: (url) => rm(url === undefined ? root : registryDirectory(url), { recursive: true, force: true }),
  };
}

function encodeEntry(registry: string, path: string, entry: CachedMetadata): Buffer {
  const header = { registry, path, checkedAt: entry.checkedAt, ...optional("validator", entry.validator) };
  const rest = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), entry.bytes]);
  return Buffer.concat([Buffer.from(`${MAGIC}${sha256(rest)}\n`), rest]);
}

function decodeEntry(bytes: Buffer, registry: string, path: string): CacheLookup {
  const corrupt = (reason: string): CacheLookup => ({ status: "corrupt", reason });
  const first = bytes.indexOf(NEWLINE);
  if (first === -1 || bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) return corrupt("it has no header");
  const rest = bytes.subarray(first + 1);
  if (sha256(rest) !== bytes.subarray(MAGIC.length, first).toString("latin1"))
    return corrupt("its digest does not match");
  const second = rest.indexOf(NEWLINE);
  const header: unknown = JSON.parse(rest.subarray(0, second).toString("utf8"));
  if (!isObject(header) || header.registry !== registry || header.path !== path)
    return corrupt("it is of another document");
  const validator = optionalString(header.validator);
  const entry = {
    bytes: rest.subarray(second + 1),
    checkedAt: Number(header.checkedAt),
    ...optional("validator", validator),
  };
  return { status: "hit", entry };
}

function readEntry(file: string, url: string, path: string): CacheLookup {
  try {
    return decodeEntry(readFileSync(file), url, path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return { status: "miss" };
    // A bad sector or foreign owner: what cannot be read is fetched again, like what was altered.
    return { status: "corrupt", reason: (error as Error).message };
  }
}

async function writeAtomically(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  mkdirSync(dirname(file), { recursive: true });
  if (bytes.length <= WRITTEN_AT_ONCE_BYTES) {
    writeAtOnce(file, temporary, bytes);
    return;
  }
  try {
    await writeFile(temporary, bytes, { flag: "wx" });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function writeAtOnce(file: string, temporary: string, bytes: Uint8Array): void {
  try {
    writeFileSync(temporary, bytes, { flag: "wx" });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
