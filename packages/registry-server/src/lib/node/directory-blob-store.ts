import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { digestHex, parseDigest, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { BlobStore, ByteRange, StagedBlob, StoredBlob } from "../ports.ts";
import { makeDirectory, makeDurableDirectory, syncDirectory } from "./durable-file.ts";

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const entry = await stat(file);
    return entry.isFile() ? entry.size : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

class StagedFile implements StagedBlob {
  readonly file: string;
  readonly #target: (digest: Digest) => string;
  readonly #hash = createHash("sha256");
  #handle: FileHandle | undefined;
  #size = 0;
  #sealed: { digest: Digest; size: number } | undefined;

  constructor(path: string, handle: FileHandle, target: (digest: Digest) => string) {
    this.file = path;
    this.#handle = handle;
    this.#target = target;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#handle === undefined) throw new Error("this staged blob is sealed");
    this.#hash.update(chunk);
    let written = 0;
    while (written < chunk.length) {
      const { bytesWritten } = await this.#handle.write(chunk, written, chunk.length - written);
      written += bytesWritten;
    }
    this.#size += chunk.length;
  }

  async seal(): Promise<{ readonly digest: Digest; readonly size: number }> {
    this.#sealed ??= { digest: parseDigest(`sha256:${this.#hash.digest("hex")}`), size: this.#size };
    return this.#sealed;
  }

  async *read(): AsyncIterable<Uint8Array> {
    yield* createReadStream(this.file, { highWaterMark: 256 * 1024 });
  }

  async commit(): Promise<void> {
    const { digest } = await this.seal();
    const target = this.#target(digest);
    await this.#handle?.sync();
    await this.#close();
    await makeDurableDirectory(dirname(target));
    // A rename over the same bytes is harmless, so that two uploads of one blob need no lock; the sync of
    // the folder is repeated because the other upload may not have come to its own yet.
    await rename(this.file, target);
    await syncDirectory(dirname(target));
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.file, { force: true });
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

/** Where the blob of a digest is below a data directory. */
export function blobPath(directory: string, digest: Digest): string {
  const hex = digestHex(digest);
  return join(directory, "blobs", "sha256", hex.slice(0, 2), hex);
}

/** Blobs as files: `blobs/sha256/<first two digits>/<hex>`; uploads in progress below `tmp/`. */
export class DirectoryBlobStore implements BlobStore {
  readonly #directory: string;
  readonly #blobs: string;
  readonly #temporary: string;

  /** Keeps everything below `directory`; both folders must be on one file system. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#blobs = join(directory, "blobs", "sha256");
    this.#temporary = join(directory, "tmp");
  }

  #path(digest: Digest): string {
    return blobPath(this.#directory, digest);
  }

  async stage(): Promise<StagedBlob> {
    const path = join(this.#temporary, `upload-${randomUUID()}`);
    const handle = await open(path, "wx", 0o644);
    return new StagedFile(path, handle, (digest) => this.#path(digest));
  }

  async open(digest: Digest): Promise<StoredBlob | undefined> {
    const file = this.#path(digest);
    const size = await sizeOf(file);
    if (size === undefined) return undefined;
    return {
      size,
      file,
      stream: (range?: ByteRange) => Readable.toWeb(createReadStream(file, range ?? {})) as ReadableStream<Uint8Array>,
    };
  }

  async *list(): AsyncIterable<Digest> {
    const folders = await readdir(this.#blobs).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    });
    for (const folder of folders) {
      for (const name of await readdir(join(this.#blobs, folder))) {
        const digest = tryParseDigest(`sha256:${name}`);
        if (digest !== undefined) yield digest;
      }
    }
  }

  async recover(): Promise<void> {
    await makeDirectory(this.#blobs);
    await makeDirectory(this.#temporary);
    for (const name of await readdir(this.#temporary))
      await rm(join(this.#temporary, name), { force: true, recursive: true });
    await syncDirectory(dirname(dirname(this.#blobs)));
  }

  async check(): Promise<void> {
    const probe = join(this.#temporary, `check-${randomUUID()}`);
    const handle = await open(probe, "wx", 0o600);
    try {
      await handle.write("x");
    } finally {
      await handle.close();
      await rm(probe, { force: true });
    }
    await stat(this.#blobs);
  }
}
