import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { digestHex, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { BlobStore, ByteRange, StagedBlob, StoredBlob } from "../ports.ts";
import { makeDirectory, makeDurableDirectory, syncDirectory } from "./durable-file.ts";
import { StagedFile, clearStaged } from "./staged-file.ts";

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const entry = await stat(file);
    return entry.isFile() ? entry.size : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
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
  /**
   * Folders that are durable, or on the way to it: whoever finds one that another upload has just made waits for the same
   * sync of its entry.
   */
  readonly #folders = new Map<string, Promise<void>>();

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
    return new StagedFile(this.#temporary, async ({ digest, toFile }) => {
      const target = this.#path(digest);
      const { file, handle } = await toFile();
      await handle.sync();
      await handle.close();
      await this.#makeFolder(dirname(target));
      // A rename over the same bytes is harmless, so that two uploads of one blob need no lock; the sync of
      // the folder is repeated because the other upload may not have come to its own yet.
      await rename(file, target).catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        // Somebody removed the folder.
        this.#folders.delete(dirname(target));
        await this.#makeFolder(dirname(target));
        await rename(file, target);
      });
      await syncDirectory(dirname(target));
      return "moved";
    });
  }

  async #makeFolder(folder: string): Promise<void> {
    const made = this.#folders.get(folder) ?? makeDurableDirectory(folder);
    this.#folders.set(folder, made);
    await made.catch((error: unknown) => {
      this.#folders.delete(folder);
      throw error;
    });
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

  async remove(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  async recover(): Promise<void> {
    await makeDirectory(this.#blobs);
    await makeDirectory(this.#temporary);
    await clearStaged(this.#temporary);
    await syncDirectory(dirname(dirname(this.#blobs)));
    // A folder in it may have been made just before the last process ended.
    await syncDirectory(this.#blobs);
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
