import { createHash } from "node:crypto";
import { parseDigest, type Digest } from "@lading/core-manifest";
import type { BlobStore } from "../ports.ts";
import type { UpstreamFile, UpstreamStore } from "./upstream-store.ts";

/** SHA-256 of bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

/** Reads a stored blob whole; `undefined` where there is none. */
export async function readBlob(blobs: BlobStore, digest: Digest): Promise<Uint8Array | undefined> {
  const stored = await blobs.open(digest);
  if (stored === undefined) return undefined;
  const parts: Uint8Array[] = [];
  for await (const chunk of stored.stream()) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Stores bytes durably; returns what they are to be found by. */
export async function storeBytes(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const staged = await blobs.stage();
  try {
    await staged.write(bytes);
    const { digest } = await staged.seal();
    await staged.commit();
    return digest;
  } finally {
    await staged.discard();
  }
}

/** Files that belong to no package. */
export function plainFile(path: string, digest: Digest): UpstreamFile {
  return { path, digest, held: true, published: 0 };
}

/** What is held of one upstream, and what a look at it adds: seen by nobody else before {@link UpstreamFiles.put} of it. */
export class UpstreamFiles {
  readonly #upstream: string;
  readonly #store: UpstreamStore;
  readonly #blobs: BlobStore;
  readonly #added = new Map<string, Uint8Array>();

  constructor(upstream: string, store: UpstreamStore, blobs: BlobStore) {
    this.#upstream = upstream;
    this.#store = store;
    this.#blobs = blobs;
  }

  /** Bytes at a path: those that were added, else those that are held. */
  async read(path: string): Promise<Uint8Array | undefined> {
    return this.#added.get(path) ?? this.held(path);
  }

  /** Bytes that are held at a path. */
  async held(path: string): Promise<Uint8Array | undefined> {
    const file = await this.#store.file(this.#upstream, path);
    return file?.held === true ? readBlob(this.#blobs, file.digest) : undefined;
  }

  add(path: string, bytes: Uint8Array): void {
    this.#added.set(path, bytes);
  }

  /** Paths that were added. */
  get added(): ReadonlyMap<string, Uint8Array> {
    return this.#added;
  }

  /** Makes what was added durable, as files to be put. */
  async store(): Promise<UpstreamFile[]> {
    const files: UpstreamFile[] = [];
    for (const [path, bytes] of this.#added) files.push(plainFile(path, await storeBytes(this.#blobs, bytes)));
    return files;
  }
}
