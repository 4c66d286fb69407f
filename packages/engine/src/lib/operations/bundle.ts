import { rm } from "node:fs/promises";
import path from "node:path";
import {
  compareVersions,
  digestHex,
  parseDigest,
  parseVersion,
  tryParseDigest,
  type Digest,
  type IndexArtifact,
  type IndexDocument,
  type IndexVersion,
} from "@lading/core-manifest";
import type { RegistryClient, RegistryConfig, Transport } from "@lading/registry-client";
import {
  BUNDLE_FILE,
  bundleClock,
  bundledUntil,
  bundleTransport,
  readBundle,
  renderBundle,
  type BundledPackage,
  type BundledRegistry,
  type OpenedBundle,
} from "../bundle.ts";
import { counted, step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, hashFile, makeDirectory, writeFileAtomic } from "../files.ts";
import { readLock } from "../lock-file.ts";
import { asFingerprint } from "../signer-text.ts";
import { loadProject } from "../project.ts";
import { offlineMaxAge } from "../configured-registries.ts";
import { openReader } from "../registries.ts";
import { publicKeysOf } from "../signatures.ts";

/** What of a registry is bundled. */
interface Wanted {
  readonly registry: RegistryConfig;
  readonly root: Digest | undefined;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}

/** A bundle that was made or verified. */
export interface BundleResult {
  readonly directory: string;
  readonly created: string;
  readonly registries: readonly {
    readonly url: string;
    readonly packages: number;
    /** When its signatures end; absent where the registry has none. RFC 3339. */
    readonly until?: string;
    /** Days since they ended; 0 while they hold. */
    readonly staleDays: number;
    /** Most of those that are allowed. */
    readonly allowedDays: number;
    /** Digest of the root by which it is trusted. */
    readonly root?: Digest;
  }[];
}

const DAY_MS = 86_400_000;

/** Records what a client reads, as files of a registry. */
function recording(inner: Transport, registry: RegistryConfig, directory: string): Transport {
  const keep = async (url: string, bytes: Uint8Array): Promise<void> => {
    const file = decodeURIComponent(url.slice(registry.url.length));
    if (!url.startsWith(registry.url) || file.split("/").includes("..")) {
      throw new EngineError({
        code: "BUNDLE_INVALID",
        message: `Cannot bundle registry "${registry.name}": it keeps files outside of its own address`,
      });
    }
    await writeFileAtomic(path.join(directory, file), bytes);
  };
  return {
    publish: (url, publication, options) => inner.publish(url, publication, options),
    call: (url, request, options) => inner.call(url, request, options),
    close: () => inner.close(),
    metadata: async (url, options) => {
      const answer = await inner.metadata(url, { ...options, validator: undefined });
      if (answer.status !== "found") return answer;
      const isDescription = url === `${registry.url}.well-known/lading.json`;
      // The client is told what the bundle will say: what it then reads is what the bundle needs.
      const bytes = isDescription ? portable(answer.bytes, registry) : answer.bytes;
      await keep(url, bytes);
      return { status: "found", bytes };
    },
    blob: (url, options) => inner.blob(url, options),
  };
}

/** The description of a registry for its bundle: addresses that count from its own, and no API. */
function portable(bytes: Uint8Array, registry: RegistryConfig): Uint8Array {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const { api: _api, files: _files, feed: _feed, log, ...kept } = value;
  const relative = (address: unknown): unknown =>
    typeof address === "string" && address.startsWith(registry.url)
      ? `./${address.slice(registry.url.length)}`
      : address;
  const described = Object.fromEntries(Object.entries(kept).map(([key, one]) => [key, relative(one)]));
  const own =
    typeof log === "object" && log !== null ? { log: { ...log, url: relative((log as { url?: unknown }).url) } } : {};
  return Buffer.from(`${JSON.stringify({ ...described, ...own, mode: value["mode"] }, undefined, 2)}\n`);
}

function entryOf(document: IndexDocument | undefined, name: string, version: string, registry: string): IndexVersion {
  const entry = document?.versions.find(
    (one) => compareVersions(parseVersion(one.version), parseVersion(version)) === 0,
  );
  if (entry !== undefined) return entry;
  throw new EngineError({
    code: "VERSION_NOT_FOUND",
    message: `Cannot bundle "${name}" ${version}: registry "${registry}" has no such version`,
  });
}

async function fetchVersion(
  client: RegistryClient,
  name: string,
  entry: IndexVersion,
  directory: string,
): Promise<BundledPackage[]> {
  const at = (hex: string): string => path.join(directory, "blobs/sha256", hex);
  await makeDirectory(path.join(directory, "blobs/sha256"));
  const packages: BundledPackage[] = [];
  for (const artifact of entry.artifacts) {
    const { blob, size, target, statement } = artifact;
    await client.download({ blob, size, package: `${name} ${entry.version}` }, at(digestHex(blob)));
    if (statement !== undefined) await keepStatement(client, { ...artifact, statement }, at);
    packages.push({ name, version: entry.version, target, blob });
  }
  // The signers' keys, which are blobs under their ids, so that a first signature can be checked there.
  for (const signer of entry.signers) {
    const key = keyBlobOf(signer);
    if (key !== undefined) await client.download({ blob: key }, at(digestHex(key)), { maxBytes: 4096 });
  }
  return packages;
}

async function keepStatement(
  client: RegistryClient,
  artifact: IndexArtifact & Required<Pick<IndexArtifact, "statement">>,
  at: (hex: string) => string,
): Promise<void> {
  const bytes = await client.statementOf(artifact);
  const { statement, blob } = artifact;
  await writeFileAtomic(at(statement === "beside" ? `${digestHex(blob)}.sig` : digestHex(statement)), bytes);
}

/** Every hash of the log, so that whoever saw an earlier state of it can be shown that this one continues it. */
async function fetchTiles(client: RegistryClient): Promise<void> {
  const log = await client.trust.log();
  if (log === undefined) return;
  const { tilePath, TILE_WIDTH } = await import("@lading/signing/log");
  const { size } = log.checkpoint;
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const hashes = Math.floor(size / TILE_WIDTH ** level);
    for (let index = 0; index * TILE_WIDTH < hashes; index++)
      await log.read(tilePath(level, index, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH)));
  }
}

async function bundleOne(
  wanted: Wanted,
  place: string,
  directory: string,
  context: EngineContext,
): Promise<BundledRegistry> {
  const { createRegistryClient, systemClock } = await import("@lading/registry-client");
  const registry = wanted.root === undefined ? wanted.registry : { ...wanted.registry, root: wanted.root };
  const reader = await openReader(context, registry);
  const into = path.join(place, directory);
  // Neither cache nor memory of this user: everything that a stranger needs is read, and recorded.
  const client = createRegistryClient({
    registry,
    transport: recording(reader.transport, registry, into),
    clock: { ...systemClock, now: context.now },
    onEvent: () => {},
  });
  try {
    const names = [...new Set(wanted.packages.map(({ name }) => name))];
    await client.trust.report();
    const documents = await client.packageDocuments(names);
    const packages: BundledPackage[] = [];
    for (const { name, version } of wanted.packages) {
      const entry = entryOf(documents[names.indexOf(name)], name, version, registry.name);
      packages.push(...(await fetchVersion(client, name, entry, into)));
    }
    await client.trust.proofs(packages.map(({ name, version, target }) => ({ name, version, target })));
    await fetchTiles(client);
    return { url: registry.url, directory, packages };
  } finally {
    await client.close();
    await reader.close();
  }
}

async function wantedPackages(context: EngineContext): Promise<readonly Wanted[]> {
  const project = await loadProject(context);
  const lock = (await readLock(context, project))?.lock;
  if (lock === undefined) {
    throw new EngineError({
      code: "LOCK_MISSING",
      message: `Cannot find the lock file "${displayPath(project.lockFile, context.cwd)}"`,
      hint: "Run lock or install first",
    });
  }
  const set = await context.registries();
  const byUrl = new Map<string, { name: string; version: string }[]>();
  for (const { name, version, source } of lock.packages) {
    const url = source?.type === "registry" ? source.url : source === undefined ? set.default.registry.url : undefined;
    if (url === undefined) continue;
    byUrl.set(url, [...(byUrl.get(url) ?? []), { name, version }]);
  }
  const wanted: Wanted[] = [];
  for (const [url, packages] of byUrl) {
    const client = set.client(url);
    const report = await client.trust.report({ signal: context.signal });
    wanted.push({ registry: client.registry, root: report?.anchor.digest, packages });
  }
  return wanted;
}

/**
 * Copies everything that the project's lock names out of its registries into a directory: signed metadata, index documents,
 * package files, signatures and the log's hashes, so that elsewhere `install` works by the same trust without a network.
 * @throws {EngineError} `LOCK_MISSING`, `BUNDLE_EXISTS`, `BUNDLE_INVALID`, and what the registries are refused for
 */
export async function bundleCreate(
  input: { readonly directory: string },
  context: EngineContext,
): Promise<BundleResult> {
  const directory = path.resolve(context.cwd, input.directory);
  if (await exists(directory)) {
    throw new EngineError({
      code: "BUNDLE_EXISTS",
      message: `Cannot make the bundle "${displayPath(directory, context.cwd)}": there is something already`,
    });
  }
  const wanted = await wantedPackages(context);
  const count = wanted.reduce((sum, { packages }) => sum + packages.length, 0);
  await step(context, "bundle", `Bundling ${counted(count, "package")}`, async () => {
    try {
      const registries: BundledRegistry[] = [];
      for (const [i, one] of wanted.entries())
        registries.push(await bundleOne(one, directory, `registries/${i}`, context));
      const created = `${new Date(context.now()).toISOString().slice(0, 19)}Z`;
      await writeFileAtomic(path.join(directory, BUNDLE_FILE), renderBundle({ created, registries }));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  });
  return bundleVerify({ directory }, context);
}

async function verifyOne(
  bundle: OpenedBundle,
  held: BundledRegistry,
  root: Digest | undefined,
  context: EngineContext,
): Promise<BundleResult["registries"][number]> {
  const { createRegistryClient, registryConfig, systemClock } = await import("@lading/registry-client");
  const maxAgeMs = await offlineMaxAge(context);
  const known = (await context.registries()).clients.find(({ registry }) => registry.url === held.url)?.registry;
  const pin = root ?? known?.root;
  const plain = known ?? registryConfig({ name: "bundled", url: held.url });
  const registry = { ...plain, maxRetries: 0, ...(pin === undefined ? {} : { root: pin }) };
  const client = createRegistryClient({
    registry,
    transport: await bundleTransport(bundle, held, registry),
    clock: bundleClock({ ...systemClock, now: context.now }, maxAgeMs),
  });
  try {
    const report = await client.trust.report({ signal: context.signal });
    for (const one of held.packages) await verifyPackage(client, bundle, held, one, context);
    const until = await bundledUntil(bundle, held);
    const stale = until === undefined ? 0 : Math.max(0, Math.ceil((context.now() - until) / DAY_MS));
    return {
      url: held.url,
      packages: held.packages.length,
      staleDays: stale,
      allowedDays: Math.floor(maxAgeMs / DAY_MS),
      ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
      ...(report === undefined ? {} : { root: report.root.digest }),
    };
  } finally {
    await client.close();
  }
}

async function verifyPackage(
  client: RegistryClient,
  bundle: OpenedBundle,
  held: BundledRegistry,
  { name, version, target, blob }: BundledPackage,
  context: EngineContext,
): Promise<void> {
  const entry = entryOf(await client.packageDocument(name, { signal: context.signal }), name, version, held.url);
  const artifact = entry.artifacts.find((one) => one.target === target);
  const digest = parseDigest(blob);
  if (artifact?.blob !== digest) {
    throw new EngineError({
      code: "PACKAGE_MISMATCH",
      message: `Cannot trust "${name}" ${version} of the bundle: the registry states another file than "${blob}"`,
    });
  }
  const blobs = path.join(bundle.directory, held.directory, "blobs/sha256");
  await checkBlob(blobs, digest, `"${name}" ${version} of the bundle: its file`);
  for (const signer of entry.signers) {
    const key = keyBlobOf(signer);
    if (key !== undefined) await checkBlob(blobs, key, `"${name}" ${version} of the bundle: the key of its signer`);
  }
  await checkStatement(client, { name, entry, artifact, registry: held.url });
}

/**
 * Holds a statement to the package and to the keys that the index names for it. Whether those are trusted, is asked where it
 * is installed.
 */
async function checkStatement(
  client: RegistryClient,
  facts: {
    readonly name: string;
    readonly entry: IndexVersion;
    readonly artifact: IndexArtifact;
    readonly registry: string;
  },
): Promise<void> {
  const { name, entry, artifact, registry } = facts;
  const { statement, blob, tree, target } = artifact;
  if (statement === undefined) return;
  const envelope = await client.statementOf({ ...artifact, statement });
  const { createTrustPolicy, verdictError, verifyEnvelope } = await import("@lading/signing");
  const { nodeVerifier } = await import("@lading/signing/node");
  const keys = await publicKeysOf(client, entry.signers.map(asFingerprint));
  const { version, kind } = entry;
  const verdict = verifyEnvelope(envelope, {
    policy: createTrustPolicy(keys.map((publicKey) => ({ publicKey }))),
    verifier: nodeVerifier,
    publishedMs: Date.parse(entry.published),
    expect: { name, version, kind, target, blob, tree, registry },
  });
  if (!verdict.ok) throw verdictError(verdict, `${name} ${version}`);
}

/** A signer's public key is a blob under its id. */
function keyBlobOf(signer: string): Digest | undefined {
  return tryParseDigest(signer.replace("ed25519:", "sha256:"));
}

async function checkBlob(blobs: string, digest: Digest, what: string): Promise<void> {
  const found = await hashFile(path.join(blobs, digestHex(digest)));
  if (found === digest) return;
  throw new EngineError({
    code: "PACKAGE_MISMATCH",
    message: `Cannot trust ${what} has the digest "${found}", stated is "${digest}"`,
  });
}

/**
 * Verifies a bundle without a network: the signed metadata of each registry from its root on, every document and file; and
 * says how old its state is. What ran out longer ago than `security.offline_max_age` is refused.
 * @throws {EngineError} `BUNDLE_INVALID`, `PACKAGE_MISMATCH`; {MetadataError} {LogError} {SigningError} what does not hold
 */
export async function bundleVerify(
  input: { readonly directory: string; readonly root?: Digest | undefined },
  context: EngineContext,
): Promise<BundleResult> {
  const bundle = await readBundle(path.resolve(context.cwd, input.directory));
  const registries: BundleResult["registries"][number][] = [];
  for (const held of bundle.registries) registries.push(await verifyOne(bundle, held, input.root, context));
  return { directory: displayPath(bundle.directory, context.cwd), created: bundle.created, registries };
}
