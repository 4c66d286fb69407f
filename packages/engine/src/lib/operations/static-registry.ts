import path from "node:path";
import { parseChannel, type Digest } from "@lading/core-manifest";
import type {
  CheckedRegistry,
  Maintained,
  RegistryStore,
  StaticPublication,
  StaticPublished,
  StaticSettings,
  StaticTrust,
} from "@lading/registry-static";
import type { RootView } from "@lading/registry-static/node";
import { step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists } from "../files.ts";
import { inspectFile } from "../inspect-file.ts";
import { parsePackageSpec, parseVersionSpec } from "../package-spec.ts";
import type { PackageChannels } from "./channels.ts";
import { readSigningKey, statementOf, type KeyInput } from "./signing.ts";

/** Which static registry, and where its keys are. */
export interface StaticPlace {
  /** A directory, or a `file:`, `git+`, `s3+` or `releases+` address. */
  readonly to: string;
  /** Branch of a Git repository. */
  readonly branch?: string | undefined;
  /** Key directory. Default: beside a registry in a directory, `<name>-keys`. */
  readonly keys?: string | undefined;
  /** Opens encrypted keys of the registry. Default: `<PREFIX>_KEY_PASSPHRASE`. */
  readonly passphrase?: string | undefined;
}

const DAY_MS = 86_400_000;

function isAddress(to: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(to);
}

/** The place of a static registry. */
export async function storeOf({ to, branch }: StaticPlace, context: EngineContext): Promise<RegistryStore> {
  const { openStore } = await import("@lading/registry-static/node");
  return openStore(isAddress(to) ? to : path.resolve(context.cwd, to), { env: context.env, branch });
}

async function keysOf({ to, keys }: Pick<StaticPlace, "to" | "keys">, context: EngineContext): Promise<string> {
  if (keys !== undefined) return path.resolve(context.cwd, keys);
  const { defaultKeyDirectory } = await import("@lading/registry-static/node");
  if (!isAddress(to)) return defaultKeyDirectory(path.resolve(context.cwd, to));
  throw new EngineError({
    code: "INDEX_KEYS_MISSING",
    message: `Cannot sign for the registry at "${to.replace(/\/\/[^/@]*@/, "//")}": no key directory is named`,
  });
}

function passphraseOf({ passphrase }: Pick<StaticPlace, "passphrase">, context: EngineContext): string | undefined {
  const found = passphrase ?? context.env[`${context.profile.environmentPrefix}_KEY_PASSPHRASE`];
  return found === "" ? undefined : found;
}

/** A static registry with its keys. */
export async function openStatic(
  place: StaticPlace,
  context: EngineContext,
): Promise<{ store: RegistryStore; trust: StaticTrust; now: () => number; signal: AbortSignal }> {
  const { readKeyDirectory } = await import("@lading/registry-static/node");
  const directory = await keysOf(place, context);
  const trust = await readKeyDirectory({ directory, passphrase: passphraseOf(place, context) });
  return { store: await storeOf(place, context), trust, now: context.now, signal: context.signal };
}

/** Public keys from their files. */
export async function publicKeyFiles(files: readonly string[], context: EngineContext): Promise<readonly Uint8Array[]> {
  const { readPublicKeyFile } = await import("@lading/signing/node");
  const keys: Uint8Array[] = [];
  for (const file of files) keys.push((await readPublicKeyFile(path.resolve(context.cwd, file))).publicKey);
  return keys;
}

/** A new static registry. */
export interface StaticInitInput extends StaticPlace {
  /** Default: the profile's title. */
  readonly name?: string | undefined;
  /** Address that clients will have; names the log for ever. Default: the place's own. */
  readonly url?: string | undefined;
  /** Public key files of the offline root; without any, a root for development is made. */
  readonly rootKeys?: readonly string[] | undefined;
  /** How many of them must sign. Default: 2, 1 of one. */
  readonly threshold?: number | undefined;
  readonly signatures?: StaticSettings["signatures"] | undefined;
  /** For how many days signatures are good. Default: 30. */
  readonly expiryDays?: number | undefined;
}

/** What {@link staticInit} did. */
export interface StaticInitResult {
  readonly location: string;
  readonly keys: string;
  /** Root that has to be signed before there is a registry. */
  readonly draft?: string;
  /** Digest of the first root, by which clients can pin the registry. */
  readonly root?: Digest;
  readonly development?: boolean;
  readonly maintained?: Maintained;
}

/**
 * Makes a static registry with signed metadata and a log. Keys that are there are used; else they are made, and with offline
 * root keys the root has to be signed before the registry can be made by the same command.
 * @throws {StaticRegistryError} `STATIC_REGISTRY_EXISTS`, `STATIC_KEYS_UNUSABLE`, `STATIC_SETTINGS_INVALID` and those of the place
 */
export async function staticInit(input: StaticInitInput, context: EngineContext): Promise<StaticInitResult> {
  const { createStaticRegistry, DEFAULT_EXPIRY_DAYS } = await import("@lading/registry-static");
  const { createKeyDirectory } = await import("@lading/registry-static/node");
  const store = await storeOf(input, context);
  const directory = await keysOf(input, context);
  const keys = displayPath(directory, context.cwd);
  const passphrase = passphraseOf(input, context);
  if (!(await exists(directory))) {
    const { draft } = await createKeyDirectory({
      directory,
      settings: {
        name: input.name ?? context.profile.title,
        signatures: input.signatures ?? "required",
        expiryDays: input.expiryDays ?? DEFAULT_EXPIRY_DAYS,
      },
      url:
        input.url ?? (isAddress(store.location) ? store.location : `https://${path.basename(store.location)}.invalid/`),
      passphrase,
      rootKeys: await publicKeyFiles(input.rootKeys ?? [], context),
      threshold: input.threshold,
      nowMs: context.now(),
    });
    if (draft !== undefined) return { location: store.location, keys, draft: displayPath(draft, context.cwd) };
  }
  const { trust, now, signal } = await openStatic({ ...input, keys: directory }, context);
  const maintained = await createStaticRegistry({ store, trust, now, signal });
  const [first] = trust.roots;
  const { createHash } = await import("node:crypto");
  const { digestFromBytes } = await import("@lading/core-manifest");
  const { staticRootStatus } = await import("@lading/registry-static/node");
  const { development } = await staticRootStatus({ directory });
  const root = digestFromBytes(createHash("sha256").update(first!).digest());
  return { location: store.location, keys, root, development, maintained };
}

/** Packages for a static registry. */
export interface StaticPublishInput extends StaticPlace, Pick<KeyInput, "key"> {
  /** Package files; the signature of each is beside it, unless `key` signs now. */
  readonly files: readonly string[];
  /** Public key files of authors that the registry does not know yet. */
  readonly publicKeys?: readonly string[] | undefined;
  readonly acceptKey?: boolean | undefined;
  /** Addresses by which readers reach it: with a key, the first is what the signature is for. */
  readonly addresses?: readonly string[] | undefined;
  /** Account under which the publication is logged. */
  readonly publisher?: string | undefined;
  /** Channel that is to name what is published; `latest` stays where it is then. */
  readonly channel?: string | undefined;
}

/** What {@link staticPublish} did. */
export interface StaticPublishResult {
  readonly location: string;
  readonly published: readonly StaticPublished[];
  readonly maintained: Maintained | undefined;
}

async function publicationOf(
  file: string,
  input: StaticPublishInput,
  publicKeys: readonly Uint8Array[],
  context: EngineContext,
): Promise<StaticPublication> {
  const shown = displayPath(file, context.cwd);
  if (!(await exists(file)))
    throw new EngineError({ code: "ARTEFACT_NOT_FOUND", message: `Cannot publish "${shown}": there is no such file` });
  const inspected = await inspectFile(file, { shown, signal: context.signal });
  const { addresses = [] } = input;
  const common = { file, inspected, addresses, acceptKey: input.acceptKey };
  if (input.key === undefined) {
    const { readSideFile, sideFilePath } = await import("@lading/signing/node");
    return { ...common, publicKeys, statement: await readSideFile(sideFilePath(file)) };
  }
  const { encodeEnvelope, softwareSigner } = await import("@lading/signing");
  const key = await readSigningKey({ key: input.key }, context);
  const statement = await encodeEnvelope(await statementOf(inspected, addresses[0]), [softwareSigner(key.seed)]);
  return { ...common, publicKeys: [...publicKeys, key.publicKey], statement };
}

/**
 * Publishes package files to a static registry, all of them by one change of it.
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`; {CoreError} `CHANNEL_INVALID`; {StaticRegistryError} those of publishing and of
 * the place
 */
export async function staticPublish(input: StaticPublishInput, context: EngineContext): Promise<StaticPublishResult> {
  if (input.channel !== undefined) parseChannel(input.channel);
  const { publishStatic } = await import("@lading/registry-static");
  const keys = await publicKeyFiles(input.publicKeys ?? [], context);
  const publications: StaticPublication[] = [];
  for (const file of input.files)
    publications.push(await publicationOf(path.resolve(context.cwd, file), input, keys, context));
  const registry = await openStatic(input, context);
  const { location } = registry.store;
  const done = await step(context, "publish", `Publishing to ${location}`, () =>
    publishStatic({ ...registry, publisher: input.publisher, channel: input.channel }, publications),
  );
  return { location, ...done };
}

/** What is said of a version from now on. */
export interface StaticStatusInput extends StaticPlace {
  readonly name: string;
  readonly version: string;
  readonly status: "active" | "yanked" | "deprecated";
  readonly reason?: string | undefined;
  readonly replacement?: string | undefined;
  readonly publisher?: string | undefined;
}

/** Yanks a version of a static registry, deprecates it, or takes that back. */
export async function staticStatus(
  input: StaticStatusInput,
  context: EngineContext,
): Promise<{ readonly location: string; readonly changed: boolean; readonly maintained: Maintained | undefined }> {
  const { setStaticStatus } = await import("@lading/registry-static");
  const registry = await openStatic(input, context);
  const { name, version, status, reason, replacement, publisher } = input;
  const done = await setStaticStatus(registry, { name, version, status, reason, replacement, publisher });
  return { location: registry.store.location, ...done };
}

/** What a channel of a static registry is to name. */
export interface StaticChannelInput extends StaticPlace {
  /** `NAME@VERSION`, or `NAME` for the removal. */
  readonly spec: string;
  readonly channel: string;
  readonly remove?: boolean | undefined;
  readonly publisher?: string | undefined;
}

/**
 * Lets a channel name a published version of a static registry, or removes it.
 * @throws {EngineError} `SPEC_INVALID`; {CoreError} `CHANNEL_INVALID`; {StaticRegistryError} those of the channel and the place
 */
export async function staticChannel(input: StaticChannelInput, context: EngineContext): Promise<PackageChannels> {
  const { spec, channel, publisher } = input;
  const wanted = input.remove === true ? { name: parsePackageSpec(spec).name } : parseVersionSpec(spec);
  parseChannel(channel);
  const { setStaticChannel } = await import("@lading/registry-static");
  const { channels } = await setStaticChannel(await openStatic(input, context), { ...wanted, channel, publisher });
  return { name: wanted.name, channels };
}

/** Signs a static registry's metadata again, so that clients go on to believe it; a new root comes into force by it. */
export async function staticRefresh(
  input: StaticPlace,
  context: EngineContext,
): Promise<{ readonly location: string; readonly maintained: Maintained }> {
  const { refreshStatic } = await import("@lading/registry-static");
  const registry = await openStatic(input, context);
  return { location: registry.store.location, maintained: await refreshStatic(registry) };
}

/** Checks all of a static registry in a directory, as a stranger would. */
export async function staticCheck(
  input: { readonly directory: string; readonly root?: Digest | undefined },
  context: EngineContext,
): Promise<CheckedRegistry & { readonly directory: string }> {
  const { checkStaticRegistry } = await import("@lading/registry-static");
  const { readRegistryFile } = await import("@lading/registry-static/node");
  const { nodeVerifier } = await import("@lading/signing/node");
  const directory = path.resolve(context.cwd, input.directory);
  const read = (file: string): Promise<Uint8Array | undefined> => readRegistryFile(directory, file);
  const checked = await checkStaticRegistry({ read, root: input.root, nowMs: context.now(), verifier: nodeVerifier });
  return { directory: displayPath(directory, context.cwd), ...checked };
}

/** One step of the ceremony that makes a root. */
export type StaticRootInput =
  | { readonly action: "status"; readonly keys: string; readonly file?: string | undefined }
  | {
      readonly action: "draft";
      readonly keys: string;
      readonly output: string;
      readonly rootKeys?: readonly string[] | undefined;
      readonly threshold?: number | undefined;
      readonly rotate?: readonly ("targets" | "snapshot" | "timestamp")[] | undefined;
      readonly expiresDays?: number | undefined;
    }
  | { readonly action: "sign"; readonly file: string; readonly key: string; readonly output?: string | undefined }
  | { readonly action: "install"; readonly keys: string; readonly files: readonly string[] };

/** A root after one step. */
export interface StaticRootResult {
  readonly file: string;
  readonly version: number;
  readonly view?: RootView;
  /** Key that has signed, and whether the root names it. */
  readonly signed?: { readonly key: string; readonly named: boolean };
}

/**
 * Drafts a root, signs it, puts it into force, or tells how far it is signed.
 * @throws {StaticRegistryError} `STATIC_ROOT_REFUSED`, `STATIC_KEYS_UNUSABLE`
 */
export async function staticRoot(input: StaticRootInput, context: EngineContext): Promise<StaticRootResult> {
  const tools = await import("@lading/registry-static/node");
  const at = (file: string): string => path.resolve(context.cwd, file);
  const passphrase = passphraseOf({}, context);
  const shown = (view: RootView): StaticRootResult => {
    const file = displayPath(view.file, context.cwd);
    return { file, version: view.version, view: { ...view, file } };
  };
  if (input.action === "sign") {
    const { seed } = await readSigningKey({ key: input.key }, context);
    const output = input.output === undefined ? undefined : at(input.output);
    const { file, version, key, named } = await tools.signStaticRoot({ file: at(input.file), seed, output });
    return { file: displayPath(file, context.cwd), version, signed: { key, named } };
  }
  const directory = at(input.keys);
  if (input.action === "status")
    return shown(await tools.staticRootStatus({ directory }, input.file === undefined ? undefined : at(input.file)));
  if (input.action === "install")
    return shown(await tools.installStaticRoot({ directory, passphrase, files: input.files.map(at) }));
  const { output, threshold, rotate, expiresDays } = input;
  const rootKeys = await publicKeyFiles(input.rootKeys ?? [], context);
  const change = { directory, passphrase, output: at(output), rootKeys, threshold, rotate, expiresDays };
  return shown(await tools.draftStaticRoot({ ...change, nowMs: context.now() }));
}

/** Days from now until a time, whole. */
export function daysUntil(timeMs: number, context: EngineContext): number {
  return Math.floor((timeMs - context.now()) / DAY_MS);
}
