import { mkdir, open, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fingerprint } from "../key-id.ts";
import { matchesNamePattern } from "../name-pattern.ts";
import { SigningError } from "../signing-error.ts";
import { parseTrustFile, renderTrustFile, type TrustEntry, type TrustFile } from "../trust-file.ts";
import { createTrustPolicy, type TrustPolicy, type TrustedKey } from "../trust.ts";
import { openRegularFile, replaceFile, systemCode } from "./files.ts";

const LOCK_WAIT_MS = 25;
const LOCK_TIMEOUT_MS = 5_000;

function ioError(path: string, action: string, cause: unknown): SigningError {
  return new SigningError({
    code: "TRUST_FILE_IO",
    message: `Cannot ${action} the trusted keys in "${path}": ${cause instanceof Error ? cause.message : String(cause)}`,
    path,
    cause,
  });
}

async function readTrustFile(path: string): Promise<TrustFile> {
  let text: string;
  try {
    const handle = await openRegularFile(path);
    try {
      text = await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === "ENOENT") return { keys: [] };
    throw ioError(path, "read", error);
  }
  return parseTrustFile(text, path);
}

async function tryLock(lock: string, path: string): Promise<boolean> {
  try {
    await (await open(lock, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw ioError(path, "change", error);
  }
}

// An exclusive file beside the store: two processes that add a key at once must not lose one.
async function locked<T>(path: string, timeoutMs: number, change: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  for (let waitedMs = 0; !(await tryLock(lock, path)); waitedMs += LOCK_WAIT_MS) {
    if (waitedMs >= timeoutMs) {
      throw new SigningError({
        code: "TRUST_FILE_BUSY",
        message: `Cannot change the trusted keys in "${path}": "${lock}" is held by another process for over ${timeoutMs} ms`,
        path,
      });
    }
    await sleep(LOCK_WAIT_MS);
  }
  try {
    return await change();
  } finally {
    await unlink(lock);
  }
}

function sameConditions(left: TrustEntry, right: TrustEntry): boolean {
  return renderTrustFile({ keys: [left] }) === renderTrustFile({ keys: [right] });
}

/** The keys that a user trusts, in one file (`docs/spec/signing.md` §8). */
export interface TrustStore {
  readonly path: string;
  /** The keys as of now, sorted by fingerprint; none where the file does not exist. */
  list(): Promise<readonly TrustEntry[]>;
  /**
   * Trusts a key. The same entry again changes nothing.
   * @throws {SigningError} `TRUST_KEY_EXISTS` where the key is trusted under other conditions and `replace` is not set
   */
  add(key: TrustedKey, options?: { readonly replace?: boolean }): Promise<TrustEntry>;
  /** @throws {SigningError} `TRUST_KEY_NOT_FOUND` */
  remove(fingerprint: string): Promise<TrustEntry>;
  /**
   * The policy for one package: the keys whose patterns mean it.
   * @param options.publishers only keys of these publishers, as a registry's `trusted_publishers` demands
   */
  policyFor(
    name: string,
    options?: { readonly threshold?: number; readonly publishers?: readonly string[] },
  ): Promise<TrustPolicy>;
}

/**
 * Opens a file of trusted keys; it need not exist. Every call reads it anew, so that a change by another process counts
 * at once; changes are made under a lock file, replace the file in one step and keep what this release does not know.
 * Every method throws {SigningError} `TRUST_FILE_INVALID`, `TRUST_FILE_UNSUPPORTED`, `TRUST_FILE_IO`; changes also
 * `TRUST_FILE_BUSY`.
 * @param options.lockTimeoutMs how long to wait for another process; 5 seconds unless given
 */
export function openTrustStore(path: string, options: { readonly lockTimeoutMs?: number } = {}): TrustStore {
  const { lockTimeoutMs = LOCK_TIMEOUT_MS } = options;
  const change = async <T>(edit: (file: TrustFile) => { keys?: readonly TrustEntry[]; result: T }): Promise<T> => {
    await mkdir(dirname(resolve(path)), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw ioError(path, "change", error);
    });
    return locked(path, lockTimeoutMs, async () => {
      const file = await readTrustFile(path);
      const { keys, result } = edit(file);
      if (keys === undefined) return result;
      const text = renderTrustFile({ ...file, keys });
      parseTrustFile(text, path);
      await replaceFile(path, text, 0o600).catch((error: unknown) => {
        throw ioError(path, "write", error);
      });
      return result;
    });
  };
  return {
    path,
    list: async () => (await readTrustFile(path)).keys,
    add: (key, { replace = false } = {}) => change((file) => addEntry(file, key, replace)),
    remove: (print) => change((file) => removeEntry(file, print)),
    policyFor: async (name, { threshold, publishers } = {}) => {
      const { keys } = await readTrustFile(path);
      const meant = keys.filter(
        (key) =>
          (key.names === undefined || key.names.some((pattern) => matchesNamePattern(pattern, name))) &&
          (publishers === undefined || (key.publisher !== undefined && publishers.includes(key.publisher))),
      );
      return createTrustPolicy(meant, { threshold });
    },
  };
}

function addEntry(file: TrustFile, key: TrustedKey, replace: boolean): { keys?: TrustEntry[]; result: TrustEntry } {
  const entry: TrustEntry = { ...key, fingerprint: fingerprint(key.publicKey) };
  const present = file.keys.find((other) => other.fingerprint === entry.fingerprint);
  if (present !== undefined && sameConditions(present, entry)) return { result: present };
  if (present !== undefined && !replace) {
    throw new SigningError({
      code: "TRUST_KEY_EXISTS",
      message: `Cannot trust key "${entry.fingerprint}": it is trusted already, under other conditions`,
      fingerprint: entry.fingerprint,
    });
  }
  return { keys: [...file.keys.filter((other) => other !== present), entry], result: entry };
}

function removeEntry(file: TrustFile, print: string): { keys: TrustEntry[]; result: TrustEntry } {
  const entry = file.keys.find((other) => other.fingerprint === print);
  if (entry === undefined) {
    throw new SigningError({
      code: "TRUST_KEY_NOT_FOUND",
      message: `Cannot remove key "${print.slice(0, 100)}": it is not among the ${file.keys.length} trusted keys`,
      fingerprint: print.slice(0, 100),
    });
  }
  return { keys: file.keys.filter((other) => other !== entry), result: entry };
}
