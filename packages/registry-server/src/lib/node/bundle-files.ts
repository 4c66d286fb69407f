import { createReadStream } from "node:fs";
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tryParseDigest, type Digest } from "@lading/core-manifest";
import { packageOfIndexPath } from "../index-service.ts";
import type { BlobStore, StoredBlob } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { blobPath, readDocument } from "../upstream/mirror-sync.ts";
import { readBlob, type UpstreamFiles } from "../upstream/upstream-files.ts";
import {
  describedBy,
  readDescription,
  refusedUpstream,
  unavailable,
  type UpstreamDescription,
  type UpstreamSource,
  type WantedFile,
} from "../upstream/upstream-source.ts";
import type { UpstreamFile } from "../upstream/upstream-store.ts";
import { writeDurably } from "./durable-file.ts";

/** Name of the file that says what a bundle holds; written last: without it a bundle is not whole. */
export const BUNDLE_FILE = "bundle.json";
/** Where the one registry of a mirror's bundle is. */
export const BUNDLE_REGISTRY = "registries/0";
/** Every file of the mirror at the time, so that a later bundle can leave out what this one brought. */
const LISTING = "files.txt";
const DESCRIPTION = ".well-known/lading.json";
const DESCRIPTION_BYTES = 64 * 1024;

/** A bundle that cannot be used. */
export function bundleInvalid(directory: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "MIRROR_BUNDLE_INVALID",
    message: `Cannot use the bundle "${directory}": ${problem}`,
    hint: "Make it again with: lading-registry admin export-bundle DIRECTORY",
    ...(cause === undefined ? {} : { cause }),
  });
}

async function readOrAbsent(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** The listing of a bundle: digests by path. @throws {RegistryError} `MIRROR_BUNDLE_INVALID` */
export async function readListing(directory: string): Promise<ReadonlyMap<string, Digest>> {
  const text = await readOrAbsent(join(directory, LISTING));
  if (text === undefined || (await readOrAbsent(join(directory, BUNDLE_FILE))) === undefined) {
    throw bundleInvalid(directory, `it has no "${text === undefined ? LISTING : BUNDLE_FILE}"`);
  }
  const found = new Map<string, Digest>();
  for (const line of Buffer.from(text).toString("utf8").split("\n")) {
    if (line === "") continue;
    const [digest, path] = line.split(" ", 2);
    const parsed = tryParseDigest(digest);
    if (parsed === undefined || path === undefined) throw bundleInvalid(directory, `"${LISTING}" is damaged`);
    found.set(path, parsed);
  }
  return found;
}

/** Writes the listing of a bundle. */
export async function writeListing(directory: string, files: readonly UpstreamFile[]): Promise<void> {
  const lines = files.map(({ digest, path }) => `${digest} ${path}\n`);
  await writeDurably(join(directory, LISTING), lines.join(""), { temporary: directory });
}

async function copyDurably(blob: StoredBlob, target: string, temporary: string): Promise<void> {
  const file = join(temporary, `write-${randomUUID()}`);
  const handle = await open(file, "wx", 0o644);
  try {
    for await (const chunk of blob.stream()) await handle.writeFile(chunk);
    await handle.sync();
    await handle.close();
    await rename(file, target);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(file, { force: true });
    throw error;
  }
}

/** A file of a mirror in a bundle. Returns the bytes that were written: none where an export that was cut off had done it. */
export async function writeBundleFile(directory: string, file: UpstreamFile, blobs: BlobStore): Promise<number> {
  const target = join(directory, BUNDLE_REGISTRY, ...file.path.split("/"));
  const stored = await blobs.open(file.digest);
  if (stored === undefined) {
    throw new RegistryError({
      code: "METADATA_DAMAGED",
      message: `Cannot bundle "${file.path}": its bytes are not in the store`,
      hint: "lading-registry admin verify lists everything that is wrong",
    });
  }
  // Blobs never change, and are put in place whole.
  const known = file.path.startsWith("blobs/") ? await stat(target).catch(() => undefined) : undefined;
  if (known?.size === stored.size) return 0;
  await mkdir(dirname(target), { recursive: true });
  await copyDurably(stored, target, directory);
  return stored.size;
}

/**
 * A bundle as where an upstream's files come from. What it leaves out, since an earlier bundle brought it, is what is held.
 * Nothing of it is trusted.
 */
export class BundleSource implements UpstreamSource {
  readonly #name: string;
  readonly #directory: string;
  readonly #held: Pick<UpstreamFiles, "held">;

  constructor(options: {
    readonly name: string;
    readonly directory: string;
    /** What was imported before. */
    readonly held: Pick<UpstreamFiles, "held">;
  }) {
    this.#name = options.name;
    this.#directory = options.directory;
    this.#held = options.held;
  }

  #fileOf(path: string): string {
    // What is read must not lead out of the bundle.
    if (path.split("/").some((part) => part === "" || part === "." || part === ".." || part.includes("\\"))) {
      throw refusedUpstream(this.#name, `"${path.slice(0, 100)}" is no path of a registry`);
    }
    return join(this.#directory, BUNDLE_REGISTRY, ...path.split("/"));
  }

  async describe(): Promise<UpstreamDescription> {
    const [bytes] = await this.read([{ path: DESCRIPTION, maxBytes: DESCRIPTION_BYTES }]);
    if (bytes === undefined) throw unavailable(this.#name, `the bundle has no "${DESCRIPTION}"`);
    return describedBy(readDescription(bytes, this.#name));
  }

  async read(wanted: readonly WantedFile[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = [];
    for (const { path, maxBytes } of wanted) {
      const file = this.#fileOf(path);
      const size = (await stat(file).catch(() => undefined))?.size ?? 0;
      if (size > maxBytes) {
        throw refusedUpstream(this.#name, `"${path}" has more than the ${maxBytes} bytes that are allowed`);
      }
      found.push((await readOrAbsent(file)) ?? (await this.#held.held(path)));
    }
    return found;
  }

  async open(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = this.#fileOf(path);
    if ((await stat(file).catch(() => undefined)) === undefined) return undefined;
    return createReadStream(file, { highWaterMark: 256 * 1024 });
  }
}

/** The packages of a bundle as clients list them: files that it brings, of those that index documents name. */
export async function bundledPackages(
  { all, brought }: { readonly all: readonly UpstreamFile[]; readonly brought: readonly UpstreamFile[] },
  blobs: BlobStore,
): Promise<
  readonly { readonly name: string; readonly version: string; readonly target: string; readonly blob: Digest }[]
> {
  const here = new Set(brought.map(({ path }) => path));
  const found: { name: string; version: string; target: string; blob: Digest }[] = [];
  for (const { path, digest } of all) {
    const bytes = packageOfIndexPath(path) === undefined ? undefined : await readBlob(blobs, digest);
    if (bytes === undefined) continue;
    const { name, versions } = readDocument(bytes, "bundle");
    for (const { version, artifacts } of versions)
      for (const { target, blob } of artifacts)
        if (here.has(blobPath(blob))) found.push({ name, version, target, blob });
  }
  return found;
}
