import { randomBytes, randomUUID } from "node:crypto";
import { readFile, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SigningError, type Signer } from "@lading/signing";
import { createNoteKey } from "@lading/signing/log";
import { createRoot, metadataKeyOf, parseMetadata, rootStatus, signMetadata } from "@lading/signing/metadata";
import {
  generateKeyPair,
  nodeSigner,
  nodeVerifier,
  readPrivateKeyFile,
  readPublicKeyFile,
  writeKeyFiles,
} from "@lading/signing/node";
import { RegistryError } from "../registry-error.ts";
import type { RegistryTrust } from "../trust/registry-trust.ts";
import { makeDirectory, syncDirectory, writeDurably } from "./durable-file.ts";

/** Roles whose keys the server has at hand. */
export const ONLINE_ROLES = ["targets", "snapshot", "timestamp"] as const;
export type OnlineRole = (typeof ONLINE_ROLES)[number];

const DEVELOPMENT_ROOT_MS = 10 * 365 * 86_400_000;
const ONLINE_KEY = /^(?:targets|snapshot|timestamp)(?:-\d{1,6})?\.pem$/;
const ROOT = /^([1-9]\d{0,8})\.root\.json$/;

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

function unusable(file: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "KEYS_UNUSABLE",
    message: `Cannot use the registry's key file "${file}": ${problem}`,
    hint: "Put it back from a backup, and set REGISTRY_KEY_PASSPHRASE where the keys are encrypted",
    ...(cause === undefined ? {} : { cause }),
  });
}

async function readSigner(file: string, passphrase: string | undefined): Promise<Signer> {
  try {
    const { seed } = await readPrivateKeyFile(file, { passphrase, strictPermissions: true });
    return nodeSigner(seed);
  } catch (cause) {
    if (!(cause instanceof SigningError)) throw cause;
    throw unusable(file, cause.message, cause);
  }
}

// Nothing in it is secret; a log must have a name of its own, for ever, before there is an address.
function logOrigin(publicUrl: string | undefined): string {
  if (publicUrl === undefined) return `registry-${randomBytes(8).toString("hex")}.development/log`;
  const { host, pathname } = new URL(publicUrl);
  return `${host}${pathname.replace(/\/+$/, "")}/log`;
}

/** Makes the keys of a new registry, and a root that only it has signed, all of it or nothing. */
async function createKeys({ directory, temporary, passphrase, publicUrl, nowMs }: KeyOptions): Promise<void> {
  const staged = join(temporary, `keys-${randomUUID()}`);
  await makeDirectory(staged);
  const make = async (name: string): Promise<Signer> => {
    const key = generateKeyPair();
    await writeKeyFiles({ path: join(staged, `${name}.pem`), format: "pem", passphrase, key });
    return nodeSigner(key.seed);
  };
  const root = await make("root");
  const online: Signer[] = [];
  for (const role of ONLINE_ROLES) online.push(await make(role));
  await make("log");
  const [targets, snapshot, timestamp] = online.map(({ publicKey }) => ({ keys: [publicKey] }));
  const roles = { root: { keys: [root.publicKey] }, targets: targets!, snapshot: snapshot!, timestamp: timestamp! };
  const draft = createRoot({ roles, expiresMs: nowMs + DEVELOPMENT_ROOT_MS, development: true });
  await writeDurably(join(staged, "log-origin"), `${logOrigin(publicUrl)}\n`, { temporary });
  await writeDurably(join(staged, "1.root.json"), await signMetadata(draft, "root", [root]), { temporary });
  await rename(staged, directory);
  await syncDirectory(dirname(directory));
}

async function listing(directory: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Every root in a directory, version 1 first, each checked against the one before.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export async function readRoots(directory: string): Promise<readonly Uint8Array[]> {
  const names = (await listing(directory)) ?? [];
  const count = names.filter((name) => ROOT.test(name)).length;
  const roots: Uint8Array[] = [];
  for (let version = 1; version <= Math.max(1, count); version += 1) {
    const file = join(directory, `${version}.root.json`);
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw unusable(file, "it cannot be read", cause);
    });
    try {
      if (!rootStatus(bytes, roots.at(-1), nodeVerifier).complete) throw unusable(file, "signatures on it are missing");
    } catch (cause) {
      if (cause instanceof RegistryError) throw cause;
      throw unusable(file, cause instanceof Error ? cause.message : "it is damaged", cause);
    }
    roots.push(bytes);
  }
  return roots;
}

/**
 * Demands that the keys at hand can sign for every online role of a root.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export function requireOnlineKeys(root: Uint8Array, signers: readonly Signer[], directory: string): void {
  const { roles } = parseMetadata(root, "root").body;
  const known = new Set(signers.map(({ publicKey }) => metadataKeyOf(publicKey).keyId));
  for (const role of ONLINE_ROLES) {
    const { keyIds, threshold } = roles[role];
    if (keyIds.filter((keyId) => known.has(keyId)).length >= threshold) continue;
    throw unusable(join(directory, `${role}.pem`), `the root names other keys for the role "${role}"`);
  }
}

/** The online keys in a directory. */
export async function readOnlineSigners(directory: string, passphrase: string | undefined): Promise<readonly Signer[]> {
  const names = ((await listing(directory)) ?? []).filter((name) => ONLINE_KEY.test(name)).sort();
  const signers: Signer[] = [];
  // One after the other: of a wrong passphrase the first one tells, and each takes a second to try.
  for (const name of names) signers.push(await readSigner(join(directory, name), passphrase));
  return signers;
}

/**
 * The keys of a registry; a new one gets its own.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export async function openKeys(options: KeyOptions): Promise<RegistryTrust> {
  const { directory, passphrase } = options;
  if ((await listing(directory)) === undefined) await createKeys(options);
  return readKeys(directory, passphrase);
}

const LOG_KEY = /^log(?:-(\d{1,6}))?\.(pem|pub)$/;

/** Names of the log's key files with an ending, the first one first. */
async function logKeyFiles(directory: string, ending: "pem" | "pub"): Promise<readonly string[]> {
  const names = (await listing(directory)) ?? [];
  const found = names.flatMap((name) => {
    const [, number, end] = LOG_KEY.exec(name) ?? [];
    return end === ending ? [{ name, number: Number(number ?? 1) }] : [];
  });
  return found.toSorted((left, right) => left.number - right.number).map(({ name }) => join(directory, name));
}

/** Where the next key of the log goes. */
export async function nextLogKeyFile(directory: string): Promise<string> {
  const last = (await logKeyFiles(directory, "pub")).at(-1) ?? join(directory, "log.pub");
  const number = Number(LOG_KEY.exec(basename(last))?.[1] ?? 1);
  return join(directory, `log-${number + 1}.pem`);
}

/** The log's last key; those before it sign as well for as long as their files are there. */
async function readLogKeys(
  directory: string,
  passphrase: string | undefined,
): Promise<Required<Pick<RegistryTrust, "logSigner" | "logCosigners" | "formerLogKeys">>> {
  const files = await logKeyFiles(directory, "pem");
  const signers: Signer[] = [];
  for (const file of files.length === 0 ? [join(directory, "log.pem")] : files) {
    signers.push(await readSigner(file, passphrase));
  }
  const formerLogKeys: Uint8Array[] = [];
  for (const file of await logKeyFiles(directory, "pub")) formerLogKeys.push((await readPublicKeyFile(file)).publicKey);
  return { logSigner: signers.at(-1)!, logCosigners: signers.slice(0, -1), formerLogKeys };
}

/**
 * The keys in a directory that has some.
 * @throws {RegistryError} `KEYS_UNUSABLE`
 */
export async function readKeys(directory: string, passphrase: string | undefined): Promise<RegistryTrust> {
  const roots = await readRoots(directory);
  const signers = await readOnlineSigners(directory, passphrase);
  requireOnlineKeys(roots.at(-1)!, signers, directory);
  const file = join(directory, "log-origin");
  const origin = await readFile(file, "utf8").catch((cause: unknown) => {
    throw unusable(file, "it cannot be read", cause);
  });
  const { logSigner, logCosigners, formerLogKeys } = await readLogKeys(directory, passphrase);
  try {
    createNoteKey(origin.trim(), logSigner.publicKey);
  } catch (cause) {
    throw unusable(file, cause instanceof Error ? cause.message : "it is damaged", cause);
  }
  return {
    roots,
    signers,
    logSigner,
    logCosigners,
    formerLogKeys,
    logOrigin: origin.trim(),
    verifier: nodeVerifier,
  };
}

/** Whether a data directory has keys. */
export async function hasKeys(directory: string): Promise<boolean> {
  return (await listing(directory)) !== undefined;
}

/** Files of a directory, without the folders in it, which are the keys of trees. */
async function filesIn(directory: string): Promise<readonly string[] | undefined> {
  if ((await listing(directory)) === undefined) return undefined;
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}

/** Copies keys and roots, for a backup; what is there is replaced. */
export async function copyKeys(from: string, to: string, temporary: string): Promise<void> {
  const names = await filesIn(from);
  if (names === undefined) return;
  await makeDirectory(to);
  // Roots last: a directory of keys without a root would be refused, one without keys too.
  for (const name of [...names].sort((left, right) => Number(ROOT.test(left)) - Number(ROOT.test(right)))) {
    await writeDurably(join(to, name), await readFile(join(from, name)), { temporary, mode: 0o600 });
  }
}
