import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { RegistryClientError } from "../registry-client-error.ts";
import { withFileLock } from "./file-lock.ts";
import { trustStoreFailed, type TrustStore } from "../trust/trust-store.ts";

/**
 * A trust store in a directory: one directory per registry, one small file per name, each replaced by a rename. Several
 * processes may use one directory. What is trusted by (`trust.json`, roots) is written through to the disk.
 */
export function createTrustDirectory(directory: string): TrustStore {
  const root = join(directory, "v1");
  // Named by digest, so that no address, however spelt, reaches the file system.
  const directoryOf = (url: string): string => join(root, createHash("sha256").update(url).digest("hex").slice(0, 32));
  // Role names are percent-encoded already; a name that is a path or hidden is nobody's.
  const fileOf = (url: string, name: string): string => join(directoryOf(url), encodeURIComponent(name));
  return {
    read: async (url, name) => readIfThere(fileOf(url, name)),
    write: async (url, name, bytes, { durable = false, unless } = {}) => {
      const file = fileOf(url, name);
      if (unless === undefined) return writeAtomically(file, bytes, durable);
      await locked(file, () => {
        const stored = readIfThere(file);
        if (stored === undefined || !unless(stored)) writeAtomically(file, bytes, durable);
      });
    },
    remove: async (url, name) => removeAll(fileOf(url, name)),
    clear: async (url) => removeAll(directoryOf(url)),
  };
}

/** Lets one process at a time compare and write. */
async function locked(file: string, task: () => void): Promise<void> {
  try {
    await withFileLock(`${file}.lock`, () => Promise.resolve(task()));
  } catch (error) {
    throw error instanceof RegistryClientError ? error : trustStoreFailed(`write "${file}"`, error);
  }
}

function readIfThere(file: string): Uint8Array | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    // To go on as if nothing was there would be to trust anew whoever answers.
    throw trustStoreFailed(`read "${file}"`, error);
  }
}

function removeAll(place: string): void {
  try {
    rmSync(place, { recursive: true, force: true });
  } catch (error) {
    throw trustStoreFailed(`remove "${place}"`, error);
  }
}

function writeAtomically(file: string, bytes: Uint8Array, durable: boolean): void {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeAll(temporary, bytes, durable);
    renameSync(temporary, file);
    if (durable) syncDirectory(dirname(file));
  } catch (error) {
    // Best effort: what is told is why it could not be written.
    if (existsSync(temporary)) rmSync(temporary, { force: true });
    throw trustStoreFailed(`write "${file}"`, error);
  }
}

function writeAll(file: string, bytes: Uint8Array, durable: boolean): void {
  const handle = openSync(file, "wx", 0o600);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
    if (durable) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

// Windows has no handle of a directory to flush.
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
