import { createHash, randomUUID } from "node:crypto";
import { createReadStream, openAsBlob } from "node:fs";
import { open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { parseDigest, type Digest } from "@lading/core-manifest";
import type { StagedBlob } from "../ports.ts";
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

/** An upload, hashed while it is written: in memory while it is small, then in a file of its own. */
export class StagedFile implements StagedBlob {
  readonly #directory: string;
  readonly #keep: (sealed: SealedFile) => Promise<"moved" | "copied">;
  readonly #hash = createHash("sha256");
  #held: Uint8Array<ArrayBuffer>[] = [];
  #whole: Uint8Array<ArrayBuffer> | undefined;
  #open: { readonly file: string; readonly handle: FileHandle } | undefined;
  #file: string | undefined;
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

  get bytes(): Uint8Array | undefined {
    if (this.#sealed === undefined || this.#file !== undefined) return undefined;
    return (this.#whole ??= Buffer.concat(this.#held));
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#ended || this.#sealed !== undefined) throw new Error("this staged blob is sealed");
    this.#hash.update(chunk);
    this.#size += chunk.length;
    if (this.#open === undefined && this.#size <= MEMORY_MAX_BYTES) {
      // Copied: who gave it may use its buffer again.
      this.#held.push(Uint8Array.from(chunk));
      return;
    }
    const { handle } = await this.#toFile();
    await writeAll(handle, chunk);
  }

  /** What is held goes into a file. */
  async #toFile(): Promise<{ readonly file: string; readonly handle: FileHandle }> {
    if (this.#open !== undefined) return this.#open;
    const file = join(this.#directory, `upload-${randomUUID()}`);
    const handle = await tellingFull(PLACE, () => open(file, "wx", 0o644));
    this.#file = file;
    this.#open = { file, handle };
    for (const chunk of this.#held) await writeAll(handle, chunk);
    this.#held = [];
    this.#whole = undefined;
    return this.#open;
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
    const sealed = await this.seal();
    if (this.#ended) return;
    const { bytes } = this;
    const held = bytes === undefined ? {} : { bytes: bytes as Uint8Array<ArrayBuffer> };
    const given = { ...sealed, ...held, toFile: () => this.#toFile() };
    this.#moved = (await tellingFull(PLACE, () => this.#keep(given))) === "moved";
    await this.#close();
  }

  async discard(): Promise<void> {
    await this.#close();
    if (this.#file !== undefined && !this.#moved) await rm(this.#file, { force: true });
  }

  async #close(): Promise<void> {
    this.#ended = true;
    this.#held = [];
    this.#whole = undefined;
    const open = this.#open;
    this.#open = undefined;
    // Closing what is closed already is no error.
    await open?.handle.close();
  }
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
