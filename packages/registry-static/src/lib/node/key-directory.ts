import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SigningError, type Signer } from "@lading/signing";
import { createNoteKey } from "@lading/signing/log";
import {
  MetadataError,
  combineMetadata,
  createRoot,
  metadataKeyOf,
  nextRoot,
  parseMetadata,
  rootStatus,
  signMetadata,
  type RoleAssignment,
  type RootRoles,
  type RootStatus,
} from "@lading/signing/metadata";
import {
  generateKeyPair,
  nodeSigner,
  nodeVerifier,
  readPrivateKeyFile,
  readPublicKeyFile,
  writeKeyFiles,
} from "@lading/signing/node";
import { parseSettings, renderSettings, type StaticSettings } from "../settings.ts";
import type { StaticTrust } from "../state.ts";
import { StaticRegistryError } from "../static-error.ts";

/** Roles whose keys are at hand where a registry is changed. */
export const ONLINE_ROLES = ["targets", "snapshot", "timestamp"] as const;
/** One of {@link ONLINE_ROLES}. */
export type OnlineRole = (typeof ONLINE_ROLES)[number];

const DAY_MS = 86_400_000;
const DEVELOPMENT_ROOT_DAYS = 3650;
const ROOT_DAYS = 365;
const ONLINE_KEY = /^(?:targets|snapshot|timestamp)(?:-\d{1,6})?\.pem$/;
const ROOT = /^([1-9]\d{0,8})\.root\.json$/;

function unusable(file: string, problem: string, cause?: unknown): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_KEYS_UNUSABLE",
    message: `Cannot use the registry's key file "${file}": ${problem}`,
    path: file,
    ...(cause === undefined ? {} : { cause }),
  });
}

function refused(problem: string, cause?: unknown): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_ROOT_REFUSED",
    message: problem,
    ...(cause === undefined ? {} : { cause }),
  });
}

async function names(directory: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(directory, (error as Error).message, error);
  }
}

async function readFileOf(directory: string, name: string): Promise<Buffer> {
  const file = join(directory, name);
  return readFile(file).catch((cause: unknown) => {
    throw unusable(file, "it cannot be read", cause);
  });
}

async function replaceFile(file: string, bytes: Uint8Array | string, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  await writeFile(temporary, bytes, { mode, flag: "wx", flush: true });
  await rename(temporary, file);
}

/** What the keys of a new static registry are made from. */
export interface CreateKeysOptions {
  /** Must not be there yet, or be empty. */
  readonly directory: string;
  readonly settings: StaticSettings;
  /** Address that the registry will be served from, which names its log for ever. */
  readonly url: string;
  /** Encrypts the key files; in the clear, mode 0600, without one. */
  readonly passphrase?: string | undefined;
  /** Offline keys that the root names; without any, a root of one key is made here, marked as one for development. */
  readonly rootKeys?: readonly Uint8Array[] | undefined;
  /** How many of them must sign; 2 unless given, 1 of one. */
  readonly threshold?: number | undefined;
  readonly nowMs: number;
}

function originOf(url: string): string {
  const { host, pathname } = new URL(url.replace(/^[a-z0-9]+\+/, ""));
  return `${host}${pathname.replace(/\/+$/, "")}/log`.replaceAll(/[\s+]/g, "-");
}

/**
 * Makes the key directory of a registry: online keys, the log's key, settings, and the first root; with offline root keys
 * that root is a draft, `root.draft.json`, which their holders sign.
 * @returns whether the root is in force
 * @throws {StaticRegistryError} `STATIC_REGISTRY_EXISTS` where there are keys already, `STATIC_SETTINGS_INVALID`
 */
export async function createKeyDirectory(options: CreateKeysOptions): Promise<{ readonly draft: string | undefined }> {
  const { directory, settings, passphrase, rootKeys = [], nowMs } = options;
  const there = await names(directory);
  if (there !== undefined && there.length > 0) {
    throw new StaticRegistryError({
      code: "STATIC_REGISTRY_EXISTS",
      message: `Cannot make keys in "${directory}": there is something already`,
      hint: "Name an empty directory with --keys, or use these keys as they are",
      path: directory,
    });
  }
  const staged = `${resolve(directory)}.${randomBytes(6).toString("hex")}.tmp`;
  await mkdir(staged, { recursive: true, mode: 0o700 });
  try {
    const draft = await fillKeys(staged, {
      settings,
      passphrase,
      rootKeys,
      nowMs,
      url: options.url,
      threshold: options.threshold,
    });
    if (there !== undefined) await rm(directory, { recursive: true });
    await rename(staged, directory);
    await chmod(directory, 0o700);
    return { draft: draft ? join(directory, DRAFT) : undefined };
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

const DRAFT = "root.draft.json";

async function fillKeys(
  staged: string,
  options: Omit<CreateKeysOptions, "directory"> & { readonly rootKeys: readonly Uint8Array[] },
): Promise<boolean> {
  const { settings, passphrase, rootKeys, nowMs } = options;
  const make = async (name: string): Promise<Signer> => {
    const key = generateKeyPair();
    await writeKeyFiles({ path: join(staged, `${name}.pem`), format: "pem", passphrase, key });
    return nodeSigner(key.seed);
  };
  const online: RoleAssignment[] = [];
  for (const role of ONLINE_ROLES) online.push({ keys: [(await make(role)).publicKey] });
  await make("log");
  await writeFile(join(staged, "log-origin"), `${originOf(options.url)}\n`);
  await writeFile(join(staged, "settings.json"), renderSettings(settings));
  const [targets, snapshot, timestamp] = online;
  const others = { targets: targets!, snapshot: snapshot!, timestamp: timestamp! };
  if (rootKeys.length > 0) {
    const threshold = options.threshold ?? Math.min(2, rootKeys.length);
    const roles: RootRoles = { root: { keys: rootKeys, threshold }, ...others };
    await writeFile(join(staged, DRAFT), createRoot({ roles, expiresMs: nowMs + ROOT_DAYS * DAY_MS }));
    return true;
  }
  const root = await make("root");
  const roles: RootRoles = { root: { keys: [root.publicKey] }, ...others };
  const expiresMs = nowMs + DEVELOPMENT_ROOT_DAYS * DAY_MS;
  const draft = createRoot({ roles, expiresMs, development: true });
  await writeFile(join(staged, "1.root.json"), await signMetadata(draft, "root", [root]));
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

async function readRoots(directory: string): Promise<readonly Uint8Array[]> {
  const count = ((await names(directory)) ?? []).filter((name) => ROOT.test(name)).length;
  if (count === 0) {
    throw unusable(directory, "it has no root in force; the draft of the first one must be signed and installed");
  }
  const roots: Uint8Array[] = [];
  for (let version = 1; version <= count; version++) {
    const name = `${version}.root.json`;
    const bytes = await readFileOf(directory, name);
    try {
      if (!rootStatus(bytes, roots.at(-1), nodeVerifier).complete) throw unusable(name, "signatures on it are missing");
    } catch (cause) {
      if (cause instanceof MetadataError) throw unusable(join(directory, name), cause.message, cause);
      throw cause;
    }
    roots.push(bytes);
  }
  return roots;
}

async function readSigners(directory: string, passphrase: string | undefined): Promise<readonly Signer[]> {
  const files = ((await names(directory)) ?? []).filter((name) => ONLINE_KEY.test(name)).sort();
  const signers: Signer[] = [];
  // One after the other: of a wrong passphrase the first one tells, and each takes a while to try.
  for (const name of files) signers.push(await readSigner(join(directory, name), passphrase));
  return signers;
}

function missingRole(root: Uint8Array, signers: readonly Signer[]): OnlineRole | undefined {
  const { roles } = parseMetadata(root, "root").body;
  const known = new Set(signers.map(({ publicKey }) => metadataKeyOf(publicKey).keyId));
  return ONLINE_ROLES.find((role) => roles[role].keyIds.filter((id) => known.has(id)).length < roles[role].threshold);
}

/** Where keys are, and how they are opened. */
export interface KeyDirectoryOptions {
  readonly directory: string;
  readonly passphrase?: string | undefined;
}

/**
 * Reads the key directory of a registry.
 * @throws {StaticRegistryError} `STATIC_KEYS_UNUSABLE`, `STATIC_SETTINGS_INVALID`
 */
export async function readKeyDirectory({ directory, passphrase }: KeyDirectoryOptions): Promise<StaticTrust> {
  if ((await names(directory)) === undefined) throw unusable(directory, "there is no such directory");
  const settings = parseSettings((await readFileOf(directory, "settings.json")).toString("utf8"));
  const roots = await readRoots(directory);
  const signers = await readSigners(directory, passphrase);
  const missing = missingRole(roots.at(-1)!, signers);
  if (missing !== undefined)
    throw unusable(join(directory, `${missing}.pem`), `the root names other keys for the role "${missing}"`);
  const logOrigin = (await readFileOf(directory, "log-origin")).toString("utf8").trim();
  const logSigner = await readSigner(join(directory, "log.pem"), passphrase);
  try {
    createNoteKey(logOrigin, logSigner.publicKey);
  } catch (cause) {
    throw unusable(join(directory, "log-origin"), (cause as Error).message, cause);
  }
  return { settings, roots, signers, logSigner, logOrigin, verifier: nodeVerifier };
}

/** How far a root is signed, and what it says. */
export interface RootView extends RootStatus {
  readonly file: string;
  readonly development: boolean;
  /** Milliseconds since the epoch. */
  readonly expiresMs: number;
}

function viewOf(file: string, bytes: Uint8Array, previous: Uint8Array | undefined): RootView {
  const { body } = parseMetadata(bytes, "root");
  const development = body.raw["x-lading-development"] === true;
  return { ...rootStatus(bytes, previous, nodeVerifier), file, development, expiresMs: body.expiresMs };
}

async function installedRoots(directory: string): Promise<readonly Uint8Array[]> {
  const there = ((await names(directory)) ?? []).some((name) => ROOT.test(name));
  return there ? readRoots(directory) : [];
}

async function readRootFile(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    throw refused(`Cannot read the root "${file}": ${(cause as Error).message}`, cause);
  });
}

async function ceremony<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof MetadataError) && !(cause instanceof SigningError)) throw cause;
    throw refused(`Cannot ${action}: ${cause.message}`, cause);
  }
}

/**
 * How far a root is signed: of a file, or of the one in force.
 * @throws {StaticRegistryError} `STATIC_ROOT_REFUSED`, `STATIC_KEYS_UNUSABLE`
 */
export function staticRootStatus({ directory }: KeyDirectoryOptions, file?: string): Promise<RootView> {
  return ceremony("look at the root", async () => {
    const roots = await installedRoots(directory);
    if (file !== undefined) return viewOf(file, await readRootFile(file), roots.at(-1));
    const current = roots.at(-1);
    if (current === undefined) throw refused(`Cannot look at the root in force of "${directory}": there is none yet`);
    return viewOf(join(directory, `${roots.length}.root.json`), current, roots.at(-2));
  });
}

/** What the next root changes. */
export interface DraftRootOptions extends KeyDirectoryOptions {
  /** New offline keys of the root. */
  readonly rootKeys?: readonly Uint8Array[] | undefined;
  readonly threshold?: number | undefined;
  /** Online roles that get a new key, which is made in the key directory. */
  readonly rotate?: readonly OnlineRole[] | undefined;
  readonly expiresDays?: number | undefined;
  readonly nowMs: number;
  /** The file to write. */
  readonly output: string;
}

/**
 * Drafts the root after the one in force, unsigned.
 * @throws {StaticRegistryError} `STATIC_ROOT_REFUSED`, `STATIC_KEYS_UNUSABLE`
 */
export function draftStaticRoot(options: DraftRootOptions): Promise<RootView> {
  const { directory, passphrase, rootKeys = [], rotate = [], expiresDays = ROOT_DAYS, nowMs, output } = options;
  return ceremony("draft a root", async () => {
    const roots = await readRoots(directory);
    const roles: Partial<Record<keyof RootRoles, RoleAssignment>> = {};
    for (const role of rotate) {
      const path = join(directory, `${role}-${roots.length + 1}.pem`);
      await writeKeyFiles({ path, format: "pem", passphrase });
      roles[role] = { keys: [(await readPublicKeyFile(path.replace(/\.pem$/, ".pub"))).publicKey] };
    }
    if (rootKeys.length > 0)
      roles.root = { keys: rootKeys, threshold: options.threshold ?? Math.min(2, rootKeys.length) };
    const stays = rootKeys.length === 0 && viewOf("", roots.at(-1)!, roots.at(-2)).development;
    const draft = nextRoot(roots.at(-1)!, { roles, expiresMs: nowMs + expiresDays * DAY_MS, development: stays });
    await replaceFile(output, draft);
    return viewOf(output, draft, roots.at(-1));
  });
}

/**
 * Signs a root with the key of one of its holders; their machine needs the file and the key, nothing else.
 * @throws {StaticRegistryError} `STATIC_ROOT_REFUSED`; {SigningError} what is wrong with the key
 */
export function signStaticRoot(options: {
  readonly file: string;
  readonly seed: Uint8Array;
  readonly output?: string | undefined;
}): Promise<{ readonly file: string; readonly version: number; readonly key: string; readonly named: boolean }> {
  const { file, seed, output = file } = options;
  return ceremony(`sign "${basename(file)}"`, async () => {
    const signer = nodeSigner(seed);
    const draft = await readRootFile(file);
    const { body } = parseMetadata(draft, "root");
    await replaceFile(output, await signMetadata(draft, "root", [signer]));
    const key = metadataKeyOf(signer.publicKey).keyId;
    return { file: output, version: body.version, key, named: body.roles.root.keyIds.includes(key) };
  });
}

/**
 * Puts signed copies of one root together, and where enough have signed, into force: registries are signed under it from
 * their next change on.
 * @throws {StaticRegistryError} `STATIC_ROOT_REFUSED`, `STATIC_KEYS_UNUSABLE`
 */
export function installStaticRoot(
  options: KeyDirectoryOptions & { readonly files: readonly string[] },
): Promise<RootView> {
  const { directory, passphrase, files } = options;
  return ceremony("install the root", async () => {
    const bytes = combineMetadata(await Promise.all(files.map(readRootFile)), "root");
    const roots = await installedRoots(directory);
    const view = viewOf(files[0]!, bytes, roots.at(-1));
    if (!view.complete) {
      const lacking = view.progress.map(({ by, threshold, signed }) => `${by}: ${signed.length} of ${threshold}`);
      throw refused(`Cannot install root ${view.version}: signatures are missing or broken (${lacking.join(", ")})`);
    }
    const missing = missingRole(bytes, await readSigners(directory, passphrase));
    if (missing !== undefined)
      throw refused(
        `Cannot install root ${view.version}: it names other keys for the role "${missing}" than are in "${directory}"`,
      );
    const file = join(directory, `${view.version}.root.json`);
    await replaceFile(file, bytes);
    await rm(join(directory, DRAFT), { force: true });
    return { ...view, file };
  });
}

/** Directory beside a registry where its keys are kept unless said otherwise. */
export function defaultKeyDirectory(location: string): string {
  return join(dirname(resolve(location)), `${basename(resolve(location))}-keys`);
}
