import { createHash, randomUUID } from "node:crypto";
import { createReadStream, openAsBlob } from "node:fs";
import { open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { parseDigest, type Digest } from "@lading/core-manifest";
import type { StagedBlob } from "../ports.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { tellingFull } from "./storage-full.ts";

/** A sealed upload, to be put where it stays. */
export interface SealedFile {
  readonly digest: Digest;
  readonly size: number;
  /** The bytes, where they are few: no file has them then. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** A file of its own with the bytes, and a handle that is open on it. */
  readonly toFile: () => Promise<{ readonly file: string; readonly handle: FileHandle }>;
}

const PLACE = "the disk of the registry";
/**
 * Up to here an upload waits in memory until it is checked: a file would be opened, written and read again for nothing where
 * it is refused, and no sooner durable where it is not.
 */
const MEMORY_MAX_BYTES = 64 * 1024;

/** The sealed bytes as the body of a request. */
export async function bodyOf(sealed: SealedFile): Promise<Blob> {
  if (sealed.bytes !== undefined) return new Blob([sealed.bytes]);
  const { file } = await sealed.toFile();
  return openAsBlob(file);
}

interface OpenFile {
  readonly file: string;
  readonly handle: FileHandle;
}

/** An upload, hashed while it is written: in memory while it is small, then in a file of its own. */
export class StagedFile implements StagedBlob {
  readonly #directory: string;
  readonly #keep: (sealed: SealedFile) => Promise<"moved" | "copied">;
  readonly #hash = createHash("sha256");
  readonly #held = new GrowingBytes(MEMORY_MAX_BYTES);
  /** The file, once there is to be one; a failure to make it stays one. */
  #opening: Promise<OpenFile> | undefined;
  #file: string | undefined;
  /** Bytes that the file has. */
  #written = 0;
  #committing: Promise<void> | undefined;
  #moved = false;
  #ended = false;
  #size = 0;
  #sealed: { digest: Digest; size: number } | undefined;

  /** Begins an upload in `directory`; `keep` makes the sealed bytes durable under their digest, and tells what became of the file. */
  constructor(directory: string, keep: (sealed: SealedFile) => Promise<"moved" | "copied">) {
    this.#directory = directory;
    this.#keep = keep;
  }

  get file(): string | undefined {
    return this.#file;
  }

  get bytes(): Uint8Array<ArrayBuffer> | undefined {
    return this.#sealed === undefined || this.#file !== undefined ? undefined : this.#held.bytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#ended || this.#sealed !== undefined) throw new Error("this staged blob is sealed");
    this.#hash.update(chunk);
    this.#size += chunk.length;
    if (this.#opening === undefined && this.#held.add(chunk)) return;
    const { handle } = await this.#toFile();
    await this.#append(handle, chunk);
  }

  /** What is held goes into a file. */
  async #toFile(): Promise<OpenFile> {
    this.#opening ??= this.#makeFile();
    return this.#opening;
  }

  async #makeFile(): Promise<OpenFile> {
    const file = join(this.#directory, `upload-${randomUUID()}`);
    const handle = await tellingFull(PLACE, () => open(file, "wx", 0o644));
    try {
      await this.#append(handle, this.#held.bytes);
      if (this.#ended) throw discarded();
    } catch (error) {
      await handle.close();
      await rm(file, { force: true });
      throw error;
    }
    this.#file = file;
    this.#held.clear();
    return { file, handle };
  }

  async #append(handle: FileHandle, chunk: Uint8Array): Promise<void> {
    await writeAll(handle, chunk);
    this.#written += chunk.length;
  }

  async seal(): Promise<{ readonly digest: Digest; readonly size: number }> {
    this.#sealed ??= { digest: parseDigest(`sha256:${this.#hash.digest("hex")}`), size: this.#size };
    return this.#sealed;
  }

  async *read(): AsyncIterable<Uint8Array> {
    await this.seal();
    const { bytes } = this;
    if (bytes !== undefined) yield bytes;
    else yield* createReadStream(this.#file!, { highWaterMark: 256 * 1024 });
  }

  async commit(): Promise<void> {
    this.#committing ??= this.#commit();
    return this.#committing;
  }

  async #commit(): Promise<void> {
    if (this.#ended) throw discarded();
    const sealed = await this.seal();
    const { bytes } = this;
    const held = bytes === undefined ? {} : { bytes };
    const given = { ...sealed, ...held, toFile: () => this.#wholeFile(sealed.size) };
    this.#moved = (await tellingFull(PLACE, () => this.#keep(given))) === "moved";
    await this.#close();
  }

  /** The file, where it has everything: a write that failed may have left less. */
  async #wholeFile(size: number): Promise<OpenFile> {
    const made = await this.#toFile();
    if (this.#written !== size)
      throw new Error(`Cannot store an upload: ${this.#written} of ${size} bytes were written`);
    return made;
  }

  async discard(): Promise<void> {
    // What is being committed has to be there until it is, or something else would be under its digest.
    await this.#committing?.catch(() => {});
    await this.#close();
    if (this.#file !== undefined && !this.#moved) await rm(this.#file, { force: true });
  }

  async #close(): Promise<void> {
    this.#ended = true;
    const made = await this.#opening?.catch(() => undefined);
    this.#held.clear();
    // Closing what is closed already is no error.
    await made?.handle.close();
  }
}

function discarded(): Error {
  return new Error("this staged blob is discarded");
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await tellingFull(PLACE, () => handle.write(chunk, written, chunk.length - written));
    written += bytesWritten;
  }
}

/** Removes what uploads left that did not end. */
export async function clearStaged(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { force: true, recursive: true });
}
