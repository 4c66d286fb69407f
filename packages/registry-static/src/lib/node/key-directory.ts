import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SigningError } from "@lading/signing";
import {
  MetadataError,
  combineMetadata,
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
  ROOT_DAYS,
  ROOT_DRAFT,
  createRegistryKeys,
  hasRegistryRoot,
  missingOnlineRole,
  nodeSigner,
  nodeVerifier,
  readOnlineSigners,
  readPublicKeyFile,
  readRegistryKeys,
  readRegistryRoots,
  writeKeyFiles,
  type OnlineRole,
} from "@lading/signing/node";
import { parseSettings, renderSettings, type StaticSettings } from "../settings.ts";
import type { StaticTrust } from "../state.ts";
import { StaticRegistryError } from "../static-error.ts";

const SETTINGS = "settings.json";
const DAY_MS = 86_400_000;

function unusable(message: string, path: unknown, cause: unknown): StaticRegistryError {
  return new StaticRegistryError({ code: "STATIC_KEYS_UNUSABLE", message, path, cause });
}

async function withKeys<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof SigningError) || cause.code !== "KEY_DIRECTORY_UNUSABLE") throw cause;
    throw unusable(cause.message, cause.details.file, cause);
  }
}

function refused(problem: string, cause?: unknown): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_ROOT_REFUSED",
    message: problem,
    ...(cause === undefined ? {} : { cause }),
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
  const { directory, settings, url, passphrase, rootKeys, threshold, nowMs } = options;
  const keys = resolve(directory);
  try {
    const { draft } = await createRegistryKeys({
      directory: keys,
      logOrigin: originOf(url),
      passphrase,
      rootKeys,
      threshold,
      nowMs,
      files: new Map([[SETTINGS, renderSettings(settings)]]),
    });
    return { draft: draft ? join(directory, ROOT_DRAFT) : undefined };
  } catch (cause) {
    if (!(cause instanceof SigningError) || cause.code !== "KEY_FILE_EXISTS") throw cause;
    throw new StaticRegistryError({
      code: "STATIC_REGISTRY_EXISTS",
      message: cause.message,
      hint: "Name an empty directory with --keys, or use these keys as they are",
      path: directory,
      cause,
    });
  }
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
export function readKeyDirectory({ directory, passphrase }: KeyDirectoryOptions): Promise<StaticTrust> {
  return withKeys(async () => {
    const keys = await readRegistryKeys(directory, passphrase);
    const file = join(directory, SETTINGS);
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      throw unusable(`Cannot use the registry's key file "${file}": it cannot be read`, file, cause);
    });
    return { ...keys, settings: parseSettings(text) };
  });
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
  return (await hasRegistryRoot(directory)) ? readRegistryRoots(directory) : [];
}

async function readRootFile(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    throw refused(`Cannot read the root "${file}": ${(cause as Error).message}`, cause);
  });
}

async function ceremony<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await withKeys(run);
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
    const roots = await readRegistryRoots(directory);
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
    const missing = missingOnlineRole(bytes, await readOnlineSigners(directory, passphrase));
    if (missing !== undefined)
      throw refused(
        `Cannot install root ${view.version}: it names other keys for the role "${missing}" than are in "${directory}"`,
      );
    const file = join(directory, `${view.version}.root.json`);
    await replaceFile(file, bytes);
    await rm(join(directory, ROOT_DRAFT), { force: true });
    return { ...view, file };
  });
}

/** Directory beside a registry where its keys are kept unless said otherwise. */
export function defaultKeyDirectory(location: string): string {
  return join(dirname(resolve(location)), `${basename(resolve(location))}-keys`);
}
