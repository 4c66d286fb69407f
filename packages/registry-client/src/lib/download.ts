import { createHash, randomBytes, type Hash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Digest, EventListener } from "@lading/core-manifest";
import type { DownloadArtifact } from "./client-types.ts";
import type { BlobStream } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";

/** Most bytes of a download whose size is not known beforehand: 2 GiB. */
export const DOWNLOAD_LIMIT_BYTES: number = 2 * 1024 ** 3;

const EVENT_EVERY_BYTES = 256 * 1024;

/**
 * A file on its way into place. Bytes are hashed while they are written beside the destination; only `commit`, which
 * demands the exact length and digest, gives the file its name. After a broken connection `resumeAt` says where to go on.
 */
export class PartialDownload {
  readonly #artifact: DownloadArtifact;
  readonly #destination: string;
  readonly #temporary: string;
  readonly #limit: number;
  readonly #file: FileHandle;
  readonly #url: string;
  readonly #onEvent: EventListener;
  #hash: Hash = createHash("sha256");
  #written = 0;
  #announced = 0;

  private constructor(init: PartialDownloadInit, temporary: string, file: FileHandle) {
    this.#artifact = init.artifact;
    this.#destination = init.destination;
    this.#temporary = temporary;
    this.#limit = init.artifact.size ?? init.maxBytes;
    this.#file = file;
    this.#url = init.url;
    this.#onEvent = init.onEvent;
  }

  static async begin(init: PartialDownloadInit): Promise<PartialDownload> {
    const name = `.${basename(init.destination)}.${randomBytes(6).toString("hex")}.part`;
    const temporary = join(dirname(init.destination), name);
    // "wx": never through a link or into a file that somebody else put there. What is downloaded is no secret of this
    // program's: who may read it is decided by the umask, as for everything else that its user makes.
    const file = await open(temporary, "wx").catch((error: unknown) => {
      throw writeFailed(init.destination, error);
    });
    return new PartialDownload(init, temporary, file);
  }

  get resumeAt(): number {
    return this.#written;
  }

  async receive(stream: BlobStream): Promise<void> {
    if (stream.offset === 0 && this.#written > 0) await this.#restart();
    this.#checkAnnounced(stream.size);
    for await (const chunk of stream.body) {
      if (this.#written + chunk.length > this.#limit) throw this.#sizeMismatch(`more than ${this.#limit}`);
      await this.#write(chunk);
      this.#announce(stream.size, false);
    }
    this.#announce(stream.size, true);
  }

  /** @throws {RegistryClientError} `DOWNLOAD_SIZE_MISMATCH`, `DOWNLOAD_DIGEST_MISMATCH`, `DOWNLOAD_WRITE_FAILED` */
  async commit(): Promise<number> {
    const { size, blob } = this.#artifact;
    if (size !== undefined && this.#written !== size) throw this.#sizeMismatch(String(this.#written));
    const digest = `sha256:${this.#hash.digest("hex")}` as Digest;
    if (digest !== blob) throw this.#digestMismatch(digest);
    try {
      await this.#file.close();
      await rename(this.#temporary, this.#destination);
    } catch (error) {
      throw writeFailed(this.#destination, error);
    }
    return this.#written;
  }

  /** Removes what is left after a failure; does nothing after `commit`. */
  async discard(): Promise<void> {
    // Best effort on the way out of an error: the error is what counts, and `.part` files are swept as garbage.
    await this.#file.close().catch(() => {});
    await rm(this.#temporary, { force: true }).catch(() => {});
  }

  async #restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash("sha256");
    this.#written = 0;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.#file.write(chunk, done, chunk.length - done, this.#written + done);
        done += bytesWritten;
      }
    } catch (error) {
      throw writeFailed(this.#destination, error);
    }
    this.#written += chunk.length;
  }

  // A wrong length is known from the header: no need to move a gigabyte to find out.
  #checkAnnounced(size: number | undefined): void {
    if (size === undefined) return;
    if (this.#artifact.size === undefined ? size > this.#limit : size !== this.#artifact.size) {
      throw this.#sizeMismatch(String(size));
    }
  }

  #announce(total: number | undefined, complete: boolean): void {
    // Never falls, also when a broken transfer starts again from 0 (`docs/spec/events.md`).
    if (this.#written < this.#announced + (complete ? 0 : EVENT_EVERY_BYTES)) return;
    this.#announced = this.#written;
    const totalBytes = this.#artifact.size ?? total;
    this.#onEvent({
      type: "downloading",
      url: this.#url,
      downloadedBytes: this.#written,
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(this.#artifact.package === undefined ? {} : { package: this.#artifact.package }),
    });
  }

  #sizeMismatch(found: string): RegistryClientError {
    return new RegistryClientError({
      code: "DOWNLOAD_SIZE_MISMATCH",
      message: `Cannot download ${shown(this.#artifact)}: it has ${found} bytes, expected ${this.#artifact.size === undefined ? `at most ${this.#limit}` : this.#artifact.size}`,
      hint: "Nothing was kept; try again, and tell the registry's operator if it persists",
      blob: this.#artifact.blob,
      expected: this.#artifact.size ?? this.#limit,
      found,
    });
  }

  #digestMismatch(found: Digest): RegistryClientError {
    return new RegistryClientError({
      code: "DOWNLOAD_DIGEST_MISMATCH",
      message: `Cannot download ${shown(this.#artifact)}: its digest is "${found}", expected "${this.#artifact.blob}"`,
      hint: "Nothing was kept; try again, and do not use the package if it persists",
      blob: this.#artifact.blob,
      found,
    });
  }
}

export interface PartialDownloadInit {
  readonly artifact: DownloadArtifact;
  readonly destination: string;
  readonly url: string;
  readonly maxBytes: number;
  readonly onEvent: EventListener;
}

/** The artefact as messages name it. */
export function shown(artifact: DownloadArtifact): string {
  return artifact.package === undefined
    ? `"${artifact.blob}"`
    : `"${artifact.package}" (${artifact.blob.slice(0, 19)}...)`;
}

function writeFailed(destination: string, error: unknown): RegistryClientError {
  return new RegistryClientError({
    code: "DOWNLOAD_WRITE_FAILED",
    message: `Cannot write "${destination}": ${error instanceof Error ? error.message : String(error)}`,
    hint: "Check that the directory exists, may be written and has room",
    cause: error,
  });
}
