import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { parseDigest, type Digest } from "@lading/core-manifest";
import type { StagedBlob } from "../ports.ts";
import { tellingFull } from "./storage-full.ts";

/** A sealed upload, to be put where it stays. */
export interface SealedFile {
  readonly file: string;
  readonly handle: FileHandle;
  readonly digest: Digest;
  readonly size: number;
}

const PLACE = "the disk of the registry";

/** An upload in a file of its own, hashed while it is written. */
export class StagedFile implements StagedBlob {
  readonly file: string;
  readonly #keep: (sealed: SealedFile) => Promise<"moved" | "copied">;
  #moved = false;
  readonly #hash = createHash("sha256");
  #handle: FileHandle | undefined;
  #size = 0;
  #sealed: { digest: Digest; size: number } | undefined;

  private constructor(file: string, handle: FileHandle, keep: (sealed: SealedFile) => Promise<"moved" | "copied">) {
    this.file = file;
    this.#handle = handle;
    this.#keep = keep;
  }

  /** Begins an upload in `directory`; `keep` makes the sealed bytes durable under their digest, and tells what became of the file. */
  static async create(
    directory: string,
    keep: (sealed: SealedFile) => Promise<"moved" | "copied">,
  ): Promise<StagedFile> {
    const file = join(directory, `upload-${randomUUID()}`);
    return new StagedFile(file, await tellingFull(PLACE, () => open(file, "wx", 0o644)), keep);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#handle === undefined) throw new Error("this staged blob is sealed");
    this.#hash.update(chunk);
    let written = 0;
    const handle = this.#handle;
    while (written < chunk.length) {
      const { bytesWritten } = await tellingFull(PLACE, () => handle.write(chunk, written, chunk.length - written));
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
    const sealed = await this.seal();
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    this.#moved = (await tellingFull(PLACE, () => this.#keep({ file: this.file, handle, ...sealed }))) === "moved";
    await this.#close();
  }

  async discard(): Promise<void> {
    await this.#close();
    if (!this.#moved) await rm(this.file, { force: true });
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    // Closing what is closed already is no error.
    await handle?.close();
  }
}

/** Removes what uploads left that did not end. */
export async function clearStaged(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { force: true, recursive: true });
}
