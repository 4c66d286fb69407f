import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SigningError, type Signer } from "@lading/signing";
import {
  createRegistryKeys,
  hasRegistryKeys,
  missingOnlineRole,
  readRegistryKeys,
  registryKeyFiles,
} from "@lading/signing/node";
import { RegistryError } from "../registry-error.ts";
import type { RegistryTrust } from "../trust/registry-trust.ts";
import { makeDirectory, writeDurably } from "./durable-file.ts";

/** What opening the keys of a data directory needs. */
export interface KeyOptions {
  /** `keys` in the data directory. */
  readonly directory: string;
  /** On the same file system. */
  readonly temporary: string;
  /** Encrypts and opens key files; in the clear, mode 0600, where there is none. */
  readonly passphrase?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly nowMs: number;
}

function unusable(message: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "KEYS_UNUSABLE",
    message,
    hint: "Put it back from a backup, and set REGISTRY_KEY_PASSPHRASE where the keys are encrypted",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Does something with a key directory.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export async function withKeys<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SigningError && cause.code === "KEY_DIRECTORY_UNUSABLE") throw unusable(cause.message, cause);
    throw cause;
  }
}

// Nothing in it is secret; a log must have a name of its own, for ever, before there is an address.
function logOrigin(publicUrl: string | undefined): string {
  if (publicUrl === undefined) return `registry-${randomBytes(8).toString("hex")}.development/log`;
  const { host, pathname } = new URL(publicUrl);
  return `${host}${pathname.replace(/\/+$/, "")}/log`;
}

/**
 * Demands that the keys at hand can sign for every online role of a root.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export function requireOnlineKeys(root: Uint8Array, signers: readonly Signer[], directory: string): void {
  const role = missingOnlineRole(root, signers);
  if (role === undefined) return;
  const file = join(directory, `${role}.pem`);
  throw unusable(`Cannot use the registry's key file "${file}": the root names other keys for the role "${role}"`);
}

/**
 * The keys of a registry; a new one gets its own.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export async function openKeys(options: KeyOptions): Promise<RegistryTrust> {
  const { directory, temporary, passphrase, publicUrl, nowMs } = options;
  return withKeys(async () => {
    if (!(await hasRegistryKeys(directory))) {
      await createRegistryKeys({ directory, temporary, passphrase, logOrigin: logOrigin(publicUrl), nowMs });
    }
    return readRegistryKeys(directory, passphrase);
  });
}

/** Copies keys and roots, for a backup; what is there is replaced. */
export async function copyKeys(from: string, to: string, temporary: string): Promise<void> {
  if (!(await hasRegistryKeys(from))) return;
  await makeDirectory(to);
  for (const name of await registryKeyFiles(from)) {
    await writeDurably(join(to, name), await readFile(join(from, name)), { temporary, mode: 0o600 });
  }
}
