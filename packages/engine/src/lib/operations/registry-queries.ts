import { rename, rm } from "node:fs/promises";
import path from "node:path";
import {
  parseVersion,
  compareVersions,
  isLadingError,
  tryParseVersion,
  parseRequirement,
  type Digest,
  type IndexArtifact,
  type IndexVersion,
} from "@lading/core-manifest";
import type { ApiObject, Page, RegistryClient, SearchItem, SearchPage, SignedArtifact } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";
import { channelVersion, findPackage, newestVersion, notAboveLatest } from "../edit.ts";
import { revokedTexts } from "../revocations.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, makeTemporaryDirectory } from "../files.ts";
import { hostVersions } from "../hosts.ts";
import { parsePackageSpec, parseVersionSpec } from "../package-spec.ts";
import { replacedRegistry } from "../configured-registries.ts";
import { signatureState, type SignatureState } from "../signature-state.ts";
import { checkIdentity, policiesFor, signatureRequirement, verifyStatement } from "../signatures.ts";
import { artefactName } from "./pack.ts";

/** What is searched for; an empty query lists all packages. */
export interface SearchInput {
  readonly query: string;
  /** From 1. */
  readonly page?: number | undefined;
  readonly perPage?: number | undefined;
  readonly category?: string | undefined;
  readonly keyword?: string | undefined;
  readonly sort?: string | undefined;
  /** `axis=version`: only packages with a version for these hosts, shown at the newest such version. */
  readonly hosts?: readonly string[] | undefined;
}

/** Packages that are asked for at once where all have to be looked at. */
const WHOLE_PAGE = 100;

/**
 * Searches the default registry. With hosts, pages and their number are those of the packages that have a version for them,
 * and the answer names all hosts here: the registry chooses, or, where it says that it knows no such filter, every match is
 * looked at.
 * @throws {EngineError} `HOST_INVALID`
 */
export async function search(input: SearchInput, context: EngineContext): Promise<SearchPage> {
  const { hosts = [], ...words } = input;
  if (hosts.length === 0) return searchPage(words, context);
  const given = await hostVersions(context, hosts);
  const { query, ...options } = words;
  const found = await (
    await context.registries()
  ).default.search(query, {
    ...options,
    hosts: given,
    signal: context.signal,
  });
  return found.hosts === undefined ? { ...(await searchDocuments(words, given, context)), hosts: given } : found;
}

/** The same at a registry that does not choose by hosts. */
async function searchDocuments(
  words: Omit<SearchInput, "hosts">,
  given: Readonly<Record<string, string>>,
  context: EngineContext,
): Promise<Page<SearchItem>> {
  const { page = 1, perPage = 20 } = words;
  const fitting: SearchItem[] = [];
  for (let at = 1, seen = 0; ; at++) {
    context.signal.throwIfAborted();
    const found = await searchPage({ ...words, page: at, perPage: WHOLE_PAGE }, context);
    const items = await Promise.all(found.items.map((item) => forHosts(item, given, context)));
    fitting.push(...items.filter((item) => item !== undefined));
    seen += found.items.length;
    if (found.items.length === 0 || seen >= found.total) break;
  }
  const items = fitting.slice((page - 1) * perPage, page * perPage);
  return { items, page, perPage, total: fitting.length };
}

async function forHosts(
  item: SearchItem,
  hosts: Readonly<Record<string, string>>,
  context: EngineContext,
): Promise<SearchItem | undefined> {
  const registries = await context.registries();
  const document = await registries.default.packageDocument(item.name, { signal: context.signal });
  const newest = document === undefined ? undefined : newestVersion(document, hosts);
  return newest === undefined ? undefined : { ...item, version: newest.version };
}

async function searchPage(input: Omit<SearchInput, "hosts">, context: EngineContext): Promise<Page<SearchItem>> {
  const client = (await context.registries()).default;
  const { query, ...options } = input;
  if (query.trim() !== "") return client.search(query, { ...options, signal: context.signal });
  const page = await client.list({ ...options, signal: context.signal });
  return { ...page, items: page.items.map(listedItem) };
}

function listedItem(item: ApiObject & { readonly name: string }): SearchItem {
  const { latest, description, keywords } = item;
  return {
    name: item.name,
    version: typeof latest === "string" ? latest : "",
    ...(typeof description === "string" ? { description } : {}),
    keywords: Array.isArray(keywords) ? keywords.map(String) : [],
    raw: item,
  };
}

/** What a registry has of a package. */
export interface PackageInformation {
  readonly name: string;
  /** The version that is described. */
  readonly version: string;
  readonly status: string;
  readonly reason?: string;
  readonly replacement?: string;
  readonly license?: string;
  readonly published: string;
  readonly signers: readonly string[];
  /** What became of the signature here and now. */
  readonly signature: SignatureState;
  readonly publisher?: string;
  readonly dependencies: readonly {
    readonly name: string;
    readonly requirement: string;
    readonly kind: string;
    /** Where it counts, where that is not everywhere. */
    readonly targets?: readonly string[];
    readonly hosts?: Readonly<Record<string, string>>;
  }[];
  readonly features: Readonly<Record<string, readonly string[]>>;
  /** Lists of features of which at most one may be on. */
  readonly exclusiveFeatures?: readonly (readonly string[])[];
  readonly hosts: Readonly<Record<string, string>>;
  readonly artifacts: readonly IndexArtifact[];
  /** Channel -> version. */
  readonly channels: Readonly<Record<string, string>>;
  /** Newest first. */
  readonly versions: readonly { readonly version: string; readonly status: string; readonly published: string }[];
  readonly registry: string;
  /** What the registry's API says beyond the index: description, authors, links, downloads. Absent for static registries. */
  readonly details?: ApiObject;
}

/**
 * Describes a package: the version asked for, or the newest that may be chosen.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`, `VERSION_NOT_FOUND`
 */
export async function info(input: { readonly spec: string }, context: EngineContext): Promise<PackageInformation> {
  const { name, text } = parsePackageSpec(input.spec);
  const { document, client } = await findPackage(context, name);
  const hosts = await hostVersions(context, []);
  const wanted = text === undefined ? undefined : (channelVersion(document, text) ?? text);
  const entry =
    wanted === undefined
      ? (newestVersion(document, hosts, notAboveLatest(document)) ?? document.versions.at(-1))
      : document.versions.find(({ version }) => version === wanted);
  if (entry === undefined) throw versionMissing(name, text, document.versions);
  const details = await registryDetails(client, { name: document.name, version: entry.version }, context);
  return {
    name: document.name,
    version: entry.version,
    status: entry.status,
    ...(entry.reason === undefined ? {} : { reason: entry.reason }),
    ...(entry.replacement === undefined ? {} : { replacement: entry.replacement }),
    ...(entry.license === undefined ? {} : { license: entry.license }),
    published: entry.published,
    signers: entry.signers,
    signature: await signatureState(context, { client, name: document.name, entry }),
    ...(entry.publisher === undefined ? {} : { publisher: entry.publisher }),
    dependencies: entry.dependencies.map((dependency) => ({
      name: dependency.name,
      requirement: dependency.requirement,
      kind: dependency.kind,
      ...(dependency.targets === undefined ? {} : { targets: dependency.targets }),
      ...(dependency.hosts === undefined ? {} : { hosts: dependency.hosts }),
    })),
    features: entry.features,
    ...(entry.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: entry.exclusiveFeatures }),
    hosts: entry.hosts,
    artifacts: entry.artifacts,
    channels: document.channels,
    versions: document.versions
      .map(({ version, status, published }) => ({ version, status, published }))
      .sort((left, right) => compareVersions(parseVersion(right.version), parseVersion(left.version))),
    registry: client.registry.url,
    ...(details === undefined ? {} : { details }),
  };
}

/** What the registry's API says of a version; a registry that is nothing but files has none. */
async function registryDetails(
  client: RegistryClient,
  { name, version }: { readonly name: string; readonly version: string },
  context: EngineContext,
): Promise<ApiObject | undefined> {
  if (client.registry.url.startsWith("file:") || context.offline) return undefined;
  try {
    return await client.info(name, version, { signal: context.signal });
  } catch (error) {
    if (isLadingError(error) && error.code === "REGISTRY_READ_ONLY") return undefined;
    throw error;
  }
}

function versionMissing(
  name: string,
  wanted: string | undefined,
  versions: readonly { readonly version: string }[],
): EngineError {
  const known = versions
    .slice(-5)
    .map(({ version }) => version)
    .join(", ");
  return new EngineError({
    code: "VERSION_NOT_FOUND",
    message: `Cannot find "${name}"${wanted === undefined ? "" : ` ${wanted}`}: it has ${versions.length} ${versions.length === 1 ? "version" : "versions"}${known === "" ? "" : `, the newest ${versions.length === 1 ? "is" : "are"} ${known}`}`,
    package: name,
  });
}

/** What is to be downloaded. */
export interface FetchInput {
  /** `name`, `name@version`, `name@channel` or `name@requirement`. */
  readonly spec: string;
  /** Directory for the file. Default: the working directory. */
  readonly output?: string | undefined;
  readonly target?: string | undefined;
}

/** A package file that was downloaded and verified. */
export interface FetchedPackage {
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly file: string;
  readonly size: number;
  readonly checksum: Digest;
  readonly tree: Digest;
  readonly signers: readonly string[];
}

/**
 * Downloads a package file into a directory: signature first, then length and digest, then the strict reader over all of it.
 * A signed file gets its `.sig` beside it.
 */
export async function fetch(input: FetchInput, context: EngineContext): Promise<FetchedPackage> {
  const { name, text } = parsePackageSpec(input.spec);
  const { document, client } = await findPackage(context, name);
  const hosts = await hostVersions(context, []);
  const revoked = await revokedTexts(context, { document, client });
  const isUsable = (one: IndexVersion): boolean => revoked(one) === undefined;
  const asked = text === undefined ? undefined : (channelVersion(document, text) ?? text);
  const entry =
    asked === undefined ? newestVersion(document, hosts, notAboveLatest(document), isUsable) : chooseVersion(asked);
  function chooseVersion(wanted: string) {
    if (tryParseVersion(wanted) !== undefined) return document.versions.find(({ version }) => version === wanted);
    const requirement = parseRequirement(wanted, context.profile.manifest.requirements);
    return newestVersion(document, hosts, (version) => requirement.matches(version), isUsable);
  }
  if (entry === undefined) throw versionMissing(name, text, document.versions);
  const artifact = chooseArtifact(name, entry.version, entry.artifacts, input.target);
  const policies = policiesFor(undefined, client.registry, await replacedRegistry(context));
  const signers = await verifyStatement(context, {
    client,
    policies,
    entry,
    artifact,
    name: document.name,
    version: entry.version,
    pinned: undefined,
    requirement: await signatureRequirement(context, policies, undefined),
  });
  const directory = path.resolve(context.cwd, input.output ?? ".");
  const extension = context.profile.package[entry.kind].extension;
  const file = path.join(
    directory,
    artefactName({ name: document.name, version: entry.version, target: artifact.target, extension }),
  );
  const tree = await placeVerified(context, file, { client, artifact, name: document.name, version: entry.version });
  if (artifact.statement !== undefined) {
    await keepStatement(file, client, { blob: artifact.blob, statement: artifact.statement }, context);
  }
  return {
    name: document.name,
    version: entry.version,
    target: artifact.target,
    file: displayPath(file, context.cwd),
    size: artifact.size,
    checksum: artifact.blob,
    tree,
    signers,
  };
}

interface FetchedArtifact {
  readonly client: RegistryClient;
  readonly artifact: IndexArtifact;
  readonly name: string;
  readonly version: string;
}

/** The file gets its name only once all of it was checked: a refused one is not left lying about. */
async function placeVerified(context: EngineContext, file: string, wanted: FetchedArtifact): Promise<Digest> {
  const { client, artifact, name } = wanted;
  const { inspectPackage } = await import("@lading/archive/node");
  const directory = await makeTemporaryDirectory(path.dirname(file), ".fetch-");
  try {
    const temporary = path.join(directory, path.basename(file));
    await client.download({ blob: artifact.blob, size: artifact.size, package: name }, temporary, {
      signal: context.signal,
      onEvent: context.onEvent,
    });
    const { record, tree } = await inspectPackage(temporary, {
      expect: { blob: artifact.blob, size: artifact.size, tree: artifact.tree },
      signal: context.signal,
    });
    checkIdentity(wanted, record.manifest);
    await rename(temporary, file);
    return tree;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function keepStatement(
  file: string,
  client: RegistryClient,
  artifact: SignedArtifact,
  context: EngineContext,
): Promise<void> {
  const { sideFilePath } = await import("@lading/signing/node");
  const { writeFileAtomic } = await import("../files.ts");
  await writeFileAtomic(sideFilePath(file), await client.statementOf(artifact, { signal: context.signal }));
}

function chooseArtifact(
  name: string,
  version: string,
  artifacts: readonly IndexArtifact[],
  target: string | undefined,
): IndexArtifact {
  const wanted = target === undefined ? ["any", "source"] : [target];
  const found = wanted
    .map((one) => artifacts.find((artifact) => artifact.target === one))
    .find((artifact) => artifact !== undefined);
  const chosen = found ?? (target === undefined && artifacts.length === 1 ? artifacts[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new EngineError({
    code: "FETCH_TARGET_MISSING",
    message: `Cannot fetch "${name}" ${version} for ${target === undefined ? "any target" : `"${target}"`}: it has ${artifacts.map((one) => `"${one.target}"`).join(", ") || "no files"}`,
  });
}

/** A version whose state changed. */
export interface ChangedVersion {
  readonly name: string;
  readonly version: string;
  /** `removed`: its files are sent to nobody; `restored`: it is again what it was before. */
  readonly status: "yanked" | "active" | "deprecated" | "removed" | "restored";
  readonly reason?: string;
  readonly replacement?: string;
}

/** Says of a version that the registry does not have what every other command says of it. */
async function ofVersion(
  context: EngineContext,
  name: string,
  version: string,
  change: () => Promise<unknown>,
): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!isLadingError(error) || error.code !== "REGISTRY_NOT_FOUND") throw error;
    const { document } = await findPackage(context, name);
    if (document.versions.some((entry) => entry.version === version)) throw error;
    throw versionMissing(name, version, document.versions);
  }
}

/** Withdraws a version: new locks do not choose it, locks that have it go on installing it. */
export async function yank(
  input: { readonly spec: string; readonly reason: string },
  context: EngineContext,
): Promise<ChangedVersion> {
  const { name, version } = parseVersionSpec(input.spec);
  const client = (await context.registries()).default;
  await ofVersion(context, name, version, () => client.yank(name, version, input.reason, { signal: context.signal }));
  return { name, version, status: "yanked", reason: input.reason };
}

/** Removes a version's files from what the registry sends; its number and digests stay. For admins of the registry. */
export async function takeDown(
  input: { readonly spec: string; readonly reason: string; readonly purge?: boolean | undefined },
  context: EngineContext,
): Promise<ChangedVersion> {
  const { name, version } = parseVersionSpec(input.spec);
  const details = { reason: input.reason, purge: input.purge ?? false };
  const client = (await context.registries()).default;
  await ofVersion(context, name, version, () => client.takeDown(name, version, details, { signal: context.signal }));
  return { name, version, status: "removed", reason: input.reason };
}

/** Undoes {@link takeDown}, while the files are kept. */
export async function bringBack(input: { readonly spec: string }, context: EngineContext): Promise<ChangedVersion> {
  const { name, version } = parseVersionSpec(input.spec);
  const client = (await context.registries()).default;
  await ofVersion(context, name, version, () => client.bringBack(name, version, { signal: context.signal }));
  return { name, version, status: "restored" };
}

/** Undoes {@link yank}. */
export async function unyank(input: { readonly spec: string }, context: EngineContext): Promise<ChangedVersion> {
  const { name, version } = parseVersionSpec(input.spec);
  const client = (await context.registries()).default;
  await ofVersion(context, name, version, () => client.unyank(name, version, { signal: context.signal }));
  return { name, version, status: "active" };
}

/** Marks a version as superseded, or with `undo` as good again. */
export async function deprecate(
  input: {
    readonly spec: string;
    readonly reason: string;
    readonly replacement?: string | undefined;
    readonly undo?: boolean | undefined;
  },
  context: EngineContext,
): Promise<ChangedVersion> {
  const { name, version } = parseVersionSpec(input.spec);
  const client = (await context.registries()).default;
  if (input.undo === true) {
    await ofVersion(context, name, version, () => client.undeprecate(name, version, { signal: context.signal }));
    return { name, version, status: "active" };
  }
  const { reason, replacement } = input;
  const details = { reason, ...(replacement === undefined ? {} : { replacement }) };
  await ofVersion(context, name, version, () => client.deprecate(name, version, details, { signal: context.signal }));
  return { name, version, status: "deprecated", ...details };
}

/** Lists the owners of a package, after adding or removing one. */
export async function owner(
  input: { readonly action: "list" | "add" | "remove"; readonly name: string; readonly user?: string | undefined },
  context: EngineContext,
): Promise<readonly ApiObject[]> {
  const client = (await context.registries()).default;
  const { name } = parsePackageSpec(input.name);
  if (input.action !== "list" && input.user === undefined) {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot ${input.action} an owner of "${name}": name the user`,
    });
  }
  if (input.action === "add") await client.addOwner(name, input.user!, { signal: context.signal });
  if (input.action === "remove") await client.removeOwner(name, input.user!, { signal: context.signal });
  return client.owners(name, { signal: context.signal });
}
