import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import {
  digestHex,
  parseDigest,
  parsePackIndex,
  renderIndexDocument,
  tryParseDigest,
  type IndexDocument,
  type PackageManifest,
  type PackIndex,
  type PackIndexEntry,
  type PackInstallSource,
} from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import type { MetadataAnswer, RegistryConfig, Transport, TransportOptions } from "@lading/registry-client";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { exists, hashFile, makeDirectory, makeTemporaryDirectory } from "./files.ts";
import { checkoutGit } from "./git.ts";
import { recordOf } from "./local-artefact.ts";
import { directoryChecksum } from "./operations/pack-source.ts";
import { manifestIn } from "./project.ts";
import { downloadRemoteFile } from "./remote-file.ts";

interface Built {
  readonly file: string;
  readonly inspected: InspectedPackage;
}

/**
 * A flat index as a registry: the one file is read, and a pack that is asked for is fetched from its source, held to the
 * checksum that the index states, and packed, once for each checksum. There is no signature: who can change the file can
 * change what is installed, and locks pin what was.
 * @param inner reads the index file, at its address without the last `/`
 */
export function flatIndexTransport(registry: RegistryConfig, inner: Transport, context: EngineContext): Transport {
  let index: Promise<PackIndex | undefined> | undefined;
  const built = new Map<string, Promise<Built>>();
  const address = registry.url.slice(0, -1);
  const readIndex = async (options: TransportOptions): Promise<PackIndex | undefined> => {
    const answer = await inner.metadata(address, options);
    return answer.status === "found" ? parsePackIndex(new TextDecoder().decode(answer.bytes), address) : undefined;
  };
  const build = (entry: PackIndexEntry): Promise<Built> => {
    const known = built.get(entry.ref) ?? buildPack(entry, context);
    built.set(entry.ref, known);
    return known;
  };
  return {
    metadata: async (url, options) => {
      const below = url.slice(registry.url.length);
      index ??= readIndex(options);
      const pending = index;
      const read = await pending.catch((error: unknown) => {
        if (index === pending) index = undefined;
        throw error;
      });
      if (read === undefined) return { status: "absent" };
      if (below === ".well-known/lading.json") return found(describe(read));
      const ref = /^index\/_\/[^/]+\/([^/]+)\.json$/.exec(below)?.[1];
      const entry = read.packs.find((pack) => pack.ref.replaceAll("_", "-") === ref);
      return entry === undefined
        ? { status: "absent" }
        : found(renderIndexDocument(await documentOf(read, entry, build)));
    },
    blob: async (url, options) => {
      const digest = tryParseDigest(`sha256:${path.posix.basename(url)}`);
      const file =
        digest === undefined ? undefined : path.join(await packsDirectory(context), `${digestHex(digest)}.lpk`);
      if (file === undefined || !(await exists(file))) return undefined;
      const start = options.offset ?? 0;
      return { offset: start, body: createReadStream(file, { start, signal: options.signal }) };
    },
    publish: (url, publication, options) => inner.publish(url, publication, options),
    call: (url, request, options) => inner.call(url, request, options),
    close: () => inner.close(),
  };
}

function found(text: string): MetadataAnswer {
  const bytes = new TextEncoder().encode(text);
  return { status: "found", bytes, validator: `"sha256:${createHash("sha256").update(bytes).digest("hex")}"` };
}

function describe({ registry_name: name }: PackIndex): string {
  return JSON.stringify({ protocol: 1, name, mode: "static", index: "./", blobs: "./blobs/sha256/", limits: {} });
}

async function documentOf(
  index: PackIndex,
  entry: PackIndexEntry,
  build: (entry: PackIndexEntry) => Promise<Built>,
): Promise<IndexDocument> {
  const { inspected } = await build(entry);
  const { record, blob, size, tree } = inspected;
  const { manifest, kind, target } = record;
  return {
    schema: 1,
    name: manifest.name,
    sequence: 1,
    channels: { latest: manifest.version },
    versions: [
      {
        schema: 1,
        version: manifest.version,
        kind,
        artifacts: [{ target, blob, size, tree }],
        dependencies: manifest.dependencies ?? [],
        features: manifest.features ?? {},
        hosts: manifest.hosts ?? {},
        published: `${new Date(index.last_updated).toISOString().slice(0, 19)}Z`,
        status: "active",
        ...(manifest.license === undefined ? {} : { license: manifest.license }),
        signers: [],
      },
    ],
  };
}

async function packsDirectory(context: EngineContext): Promise<string> {
  return path.join(await cacheDirectory(context), "flat-index");
}

/** The pack from the first of its sources that can be had; one whose checksum is another's is never passed over. */
async function buildPack(entry: PackIndexEntry, context: EngineContext): Promise<Built> {
  let last: unknown;
  for (const source of entry.install_sources) {
    try {
      return await buildFrom(entry, source, context);
    } catch (error) {
      const absent =
        error instanceof EngineError && ["REMOTE_FILE_FAILED", "GIT_FAILED", "GIT_UNAVAILABLE"].includes(error.code);
      if (!absent) throw error;
      last = error;
    }
  }
  throw last;
}

async function buildFrom(entry: PackIndexEntry, source: PackInstallSource, context: EngineContext): Promise<Built> {
  const directory = await packsDirectory(context);
  await makeDirectory(directory);
  // Beside the packages, under what the index says of the source: what was packed once need not be fetched again.
  const known = path.join(directory, `from-${source.type}-${digestHex(parseDigest(source.checksum))}`);
  const { inspectPackage } = await import("@lading/archive/node");
  const temporary = await makeTemporaryDirectory(directory, ".pack-");
  try {
    if (!(await exists(known))) {
      const packed = await packSource(entry, source, temporary, context);
      await rename(packed, known);
    }
    const inspected = await inspectPackage(known);
    refuseOther(entry, inspected);
    const file = path.join(directory, `${digestHex(inspected.blob)}.lpk`);
    if (!(await exists(file))) {
      const { copyFile } = await import("node:fs/promises");
      const copy = `${file}.${randomBytes(4).toString("hex")}.tmp`;
      await copyFile(known, copy);
      await rename(copy, file);
    }
    return { file, inspected };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function refuseOther({ ref, version }: PackIndexEntry, { record }: InspectedPackage): void {
  const { manifest } = record;
  if (manifest.name === ref && manifest.version === version) return;
  throw new EngineError({
    code: "PACKAGE_MISMATCH",
    message: `Cannot use pack "${ref}" ${version} of the index: its source holds "${manifest.name}" ${manifest.version}`,
  });
}

function mismatch({ ref, version }: PackIndexEntry, url: string, wanted: string, got: string): EngineError {
  return new EngineError({
    code: "SOURCE_CHECKSUM_MISMATCH",
    message: `Cannot use pack "${ref}" ${version}: "${url}" has the checksum "${got}", the index says "${wanted}"`,
  });
}

/** A package file of what a source holds. */
async function packSource(
  entry: PackIndexEntry,
  source: PackInstallSource,
  temporary: string,
  context: EngineContext,
): Promise<string> {
  const { url, checksum } = source;
  if (source.type === "git") {
    const { directory } = await checkoutGit(context, { url, rev: source.ref });
    const got = await directoryChecksum(directory, context);
    if (got !== checksum) throw mismatch(entry, url, checksum, got);
    return packDirectoryOf(directory, temporary, entry, context);
  }
  const file = path.join(temporary, "source");
  await downloadRemoteFile(context, url, file);
  const got = await hashFile(file);
  if (got !== checksum) throw mismatch(entry, url, checksum, got);
  return unpackForeign(file, temporary, entry, context);
}

async function unpackForeign(
  file: string,
  temporary: string,
  entry: PackIndexEntry,
  context: EngineContext,
): Promise<string> {
  const { ArchiveError } = await import("@lading/archive");
  const { importForeignArchive, inspectPackage } = await import("@lading/archive/node");
  try {
    await inspectPackage(file);
    return file;
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
  }
  const directory = path.join(temporary, "foreign");
  await importForeignArchive({ source: file, destination: directory, signal: context.signal });
  return packDirectoryOf(directory, temporary, entry, context);
}

async function packDirectoryOf(
  directory: string,
  temporary: string,
  { ref }: PackIndexEntry,
  context: EngineContext,
): Promise<string> {
  const { packDirectory } = await import("@lading/archive/node");
  const read = await manifestIn(context, directory);
  // It is no manifest of the project's, whose changes would matter later.
  for (const seen of context.manifestsSeen.keys()) if (seen.startsWith(directory)) context.manifestsSeen.delete(seen);
  if (read?.manifest.package === undefined) {
    throw new EngineError({
      code: "SOURCE_NO_PACKAGE",
      message: `Cannot use pack "${ref}" of the index: its source has no manifest of a package`,
    });
  }
  const manifest: PackageManifest = read.manifest;
  const output = path.join(temporary, "package.lpk");
  const manifestFile = path.basename(read.path);
  const record = recordOf(manifest, { manifestFile, kind: "source", target: "any", versionOf: () => undefined });
  await packDirectory({ directory, output, codec: "none", record, signal: context.signal });
  return output;
}
