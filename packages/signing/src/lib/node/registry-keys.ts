import { randomUUID } from "node:crypto";
import { chmod, mkdir, readFile, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createNoteKey } from "../log/note.ts";
import { MetadataError } from "../metadata/metadata-error.ts";
import { parseMetadata } from "../metadata/metadata-file.ts";
import { metadataKeyOf } from "../metadata/metadata-key.ts";
import { createRoot, rootStatus, type RoleAssignment, type RootRoles } from "../metadata/root-ceremony.ts";
import { signMetadata } from "../metadata/sign-metadata.ts";
import type { Signer, Verifier } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { createFile, syncFolder, systemCode } from "./files.ts";
import { generateKeyPair, readPrivateKeyFile, readPublicKeyFile, writeKeyFiles } from "./key-files.ts";
import { nodeSigner } from "./signer.ts";
import { nodeVerifier } from "./verifier.ts";

/** Roles whose keys are at hand where a registry is changed. */
export const ONLINE_ROLES = ["targets", "snapshot", "timestamp"] as const;
/** One of {@link ONLINE_ROLES}. */
export type OnlineRole = (typeof ONLINE_ROLES)[number];

const DAY_MS = 86_400_000;
const DEVELOPMENT_ROOT_DAYS = 3650;
/** How long a root lasts that offline keys sign, unless said otherwise. */
export const ROOT_DAYS = 365;
/** The first root where offline keys are to sign it. */
export const ROOT_DRAFT = "root.draft.json";
const ORIGIN = "log-origin";
const ONLINE_KEY = /^(?:targets|snapshot|timestamp)(?:-\d{1,6})?\.pem$/;
const LOG_KEY = /^log(?:-(\d{1,6}))?\.(pem|pub)$/;
const ROOT = /^([1-9]\d{0,8})\.root\.json$/;

/** The keys of a registry, as its key directory has them (`docs/spec/registry-metadata.md`). */
export interface RegistryKeys {
  /** Every root from version 1 on, each verified against the one before; the last one is in force. */
  readonly roots: readonly Uint8Array[];
  /** Online keys of targets, snapshot and timestamp. */
  readonly signers: readonly Signer[];
  /** The log's key: the last one where there are several. */
  readonly logSigner: Signer;
  /** Keys that the log had before and that still sign, so that nobody who knows only them is left behind. */
  readonly logCosigners: readonly Signer[];
  /** Public keys that the log ever had, 32 bytes each, the present one among them. */
  readonly formerLogKeys: readonly Uint8Array[];
  /** First line of the log's checkpoints. */
  readonly logOrigin: string;
  readonly verifier: Verifier;
}

function unusable(file: string, problem: string, cause?: unknown): SigningError {
  return new SigningError({
    code: "KEY_DIRECTORY_UNUSABLE",
    message: `Cannot use the registry's key file "${file}": ${problem}`,
    file,
    ...(cause === undefined ? {} : { cause }),
  });
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "it is damaged");

async function listing(directory: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw unusable(directory, messageOf(error), error);
  }
}

async function read(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw unusable(file, "it cannot be read", cause);
  });
}

/** Whether there is a directory of that name. */
export async function hasRegistryKeys(directory: string): Promise<boolean> {
  return (await listing(directory)) !== undefined;
}

/** What the keys of a new registry are made from. */
export interface CreateRegistryKeysOptions {
  /** Must not be there yet, or be empty. */
  readonly directory: string;
  /** Where it is put together, on the same file system; beside it unless given. */
  readonly temporary?: string | undefined;
  /** Name of the log, for ever. */
  readonly logOrigin: string;
  /** Encrypts the key files; in the clear, mode 0600, without one. */
  readonly passphrase?: string | undefined;
  /** Offline keys that the root names, 32 bytes each; without any, a root of one key is made here, marked as for development. */
  readonly rootKeys?: readonly Uint8Array[] | undefined;
  /** How many of them must sign; 2 unless given, 1 of one. */
  readonly threshold?: number | undefined;
  /** Other files of the directory. */
  readonly files?: ReadonlyMap<string, string> | undefined;
  readonly nowMs: number;
}

/**
 * Makes the key directory of a registry, all of it or nothing: online keys, the log's key, and the first root; with offline
 * root keys that root is a draft, {@link ROOT_DRAFT}, which their holders sign.
 * @returns whether the root is a draft
 * @throws {SigningError} `KEY_FILE_EXISTS` where there is something already
 */
export async function createRegistryKeys(options: CreateRegistryKeysOptions): Promise<{ readonly draft: boolean }> {
  const { directory, temporary = dirname(directory) } = options;
  const there = await listing(directory);
  if (there !== undefined && there.length > 0) {
    throw new SigningError({
      code: "KEY_FILE_EXISTS",
      message: `Cannot make keys in "${directory}": there is something already`,
      path: directory,
    });
  }
  const staged = join(temporary, `${basename(directory)}.${randomUUID()}.tmp`);
  await mkdir(staged, { recursive: true, mode: 0o700 });
  try {
    await chmod(staged, 0o700);
    const draft = await fill(staged, options);
    await syncFolder(staged);
    if (there !== undefined) await rmdir(directory);
    await rename(staged, directory);
    await syncFolder(dirname(directory));
    return { draft };
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function fill(staged: string, options: CreateRegistryKeysOptions): Promise<boolean> {
  const { passphrase, rootKeys = [], nowMs, logOrigin, files = new Map<string, string>() } = options;
  const make = async (name: string): Promise<Signer> => {
    const key = generateKeyPair();
    await writeKeyFiles({ path: join(staged, `${name}.pem`), format: "pem", passphrase, key });
    return nodeSigner(key.seed);
  };
  const online: RoleAssignment[] = [];
  for (const role of ONLINE_ROLES) online.push({ keys: [(await make(role)).publicKey] });
  await make("log");
  for (const [name, text] of [[ORIGIN, `${logOrigin}\n`] as const, ...files]) {
    await createFile(join(staged, name), text, 0o644);
  }
  const others = { targets: online[0]!, snapshot: online[1]!, timestamp: online[2]! };
  if (rootKeys.length > 0) {
    const threshold = options.threshold ?? Math.min(2, rootKeys.length);
    const roles: RootRoles = { root: { keys: rootKeys, threshold }, ...others };
    await createFile(join(staged, ROOT_DRAFT), createRoot({ roles, expiresMs: nowMs + ROOT_DAYS * DAY_MS }), 0o644);
    return true;
  }
  const root = await make("root");
  const roles: RootRoles = { root: { keys: [root.publicKey] }, ...others };
  const draft = createRoot({ roles, expiresMs: nowMs + DEVELOPMENT_ROOT_DAYS * DAY_MS, development: true });
  await createFile(join(staged, "1.root.json"), await signMetadata(draft, "root", [root]), 0o644);
  return false;
}

async function readSigner(file: string, passphrase: string | undefined): Promise<Signer> {
  try {
    return nodeSigner((await readPrivateKeyFile(file, { passphrase, strictPermissions: true })).seed);
  } catch (cause) {
    if (!(cause instanceof SigningError)) throw cause;
    throw unusable(file, cause.message, cause);
  }
}

/** Whether a key directory has a root in force. */
export async function hasRegistryRoot(directory: string): Promise<boolean> {
  return ((await listing(directory)) ?? []).some((name) => ROOT.test(name));
}

/**
 * Every root in a key directory, version 1 first, each verified against the one before.
 * @throws {SigningError} `KEY_DIRECTORY_UNUSABLE`
 */
export async function readRegistryRoots(directory: string): Promise<readonly Uint8Array[]> {
  const names = (await listing(directory)) ?? [];
  const count = names.filter((name) => ROOT.test(name)).length;
  if (count === 0 && names.includes(ROOT_DRAFT)) {
    throw unusable(directory, "it has no root in force; the draft of the first one must be signed and installed");
  }
  const roots: Uint8Array[] = [];
  for (let version = 1; version <= Math.max(1, count); version++) {
    const file = join(directory, `${version}.root.json`);
    const bytes = await read(file);
    if (!isComplete(file, bytes, roots.at(-1))) throw unusable(file, "signatures on it are missing");
    roots.push(bytes);
  }
  return roots;
}

function isComplete(file: string, bytes: Uint8Array, previous: Uint8Array | undefined): boolean {
  try {
    return rootStatus(bytes, previous, nodeVerifier).complete;
  } catch (cause) {
    if (cause instanceof MetadataError) throw unusable(file, cause.message, cause);
    throw cause;
  }
}

/** The first online role for which the keys at hand cannot sign under a root; `undefined` where they can for all. */
export function missingOnlineRole(root: Uint8Array, signers: readonly Signer[]): OnlineRole | undefined {
  const { roles } = parseMetadata(root, "root").body;
  const known = new Set(signers.map(({ publicKey }) => metadataKeyOf(publicKey).keyId));
  return ONLINE_ROLES.find((role) => roles[role].keyIds.filter((id) => known.has(id)).length < roles[role].threshold);
}

/**
 * The online keys in a key directory.
 * @throws {SigningError} `KEY_DIRECTORY_UNUSABLE`
 */
export async function readOnlineSigners(directory: string, passphrase: string | undefined): Promise<readonly Signer[]> {
  const names = ((await listing(directory)) ?? []).filter((name) => ONLINE_KEY.test(name)).sort();
  const signers: Signer[] = [];
  // One after the other: of a wrong passphrase the first one tells, and each takes a second to try.
  for (const name of names) signers.push(await readSigner(join(directory, name), passphrase));
  return signers;
}

/** Names of the log's key files with an ending, the first one first. */
async function logKeyFiles(directory: string, ending: "pem" | "pub"): Promise<readonly string[]> {
  const found = ((await listing(directory)) ?? []).flatMap((name) => {
    const [, number, end] = LOG_KEY.exec(name) ?? [];
    return end === ending ? [{ name, number: Number(number ?? 1) }] : [];
  });
  return found.toSorted((left, right) => left.number - right.number).map(({ name }) => join(directory, name));
}

/** Where the next key of the log goes. */
export async function nextLogKeyFile(directory: string): Promise<string> {
  const last = (await logKeyFiles(directory, "pub")).at(-1) ?? join(directory, "log.pub");
  return join(directory, `log-${Number(LOG_KEY.exec(basename(last))?.[1] ?? 1) + 1}.pem`);
}

type LogKeys = Pick<RegistryKeys, "logSigner" | "logCosigners" | "formerLogKeys">;

/** The log's last key; those before it sign as well for as long as their files are there. */
async function readLogKeys(directory: string, passphrase: string | undefined): Promise<LogKeys> {
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
 * Reads a key directory: roots, online keys that can sign under the last one, the log's keys and name.
 * @throws {SigningError} `KEY_DIRECTORY_UNUSABLE`
 */
export async function readRegistryKeys(directory: string, passphrase?: string): Promise<RegistryKeys> {
  if (!(await hasRegistryKeys(directory))) throw unusable(directory, "there is no such directory");
  const roots = await readRegistryRoots(directory);
  const signers = await readOnlineSigners(directory, passphrase);
  const missing = missingOnlineRole(roots.at(-1)!, signers);
  if (missing !== undefined) {
    throw unusable(join(directory, `${missing}.pem`), `the root names other keys for the role "${missing}"`);
  }
  const origin = join(directory, ORIGIN);
  const logOrigin = (await read(origin)).toString("utf8").trim();
  const log = await readLogKeys(directory, passphrase);
  try {
    createNoteKey(logOrigin, log.logSigner.publicKey);
  } catch (cause) {
    throw unusable(origin, messageOf(cause), cause);
  }
  return { roots, signers, ...log, logOrigin, verifier: nodeVerifier };
}

/**
 * Files of a key directory, without folders in it, in the order in which they may be copied: one without its root is refused,
 * so roots come last.
 */
export async function registryKeyFiles(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  return names.toSorted((left, right) => Number(ROOT.test(left)) - Number(ROOT.test(right)));
}
