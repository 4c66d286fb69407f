import type { Digest } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";

/** The error of a request for what was removed. */
export function contentRemoved(failed: string, reason: string): RegistryError {
  return new RegistryError({
    code: "CONTENT_REMOVED",
    message: `${failed}: the registry removed it: ${reason}`,
    hint: "Choose another version; the registry's operator can tell more",
  });
}

/**
 * Files that nobody may read by their digest although the blob store has them, in memory, so that reads of blobs ask no
 * database: those of publications that wait for a reviewer, which look as if they had never been there,
 * and those of versions that were removed, with the reason.
 */
export class BlobGate {
  readonly #metadata: Pick<MetadataStore, "reviews" | "removedBlobs">;
  #held: ReadonlySet<string> = new Set();
  #removed: ReadonlyMap<string, string> = new Map();
  /** Files on their way to a review, with the number of publications that bring them. */
  readonly #arriving = new Map<string, number>();
  #refreshing: Promise<void> = Promise.resolve();

  constructor(metadata: Pick<MetadataStore, "reviews" | "removedBlobs">) {
    this.#metadata = metadata;
  }

  /** Reads again what is closed; one after the other, so that what was read earlier never replaces what was read later. */
  async refresh(): Promise<void> {
    const before = this.#refreshing;
    const refreshing = before.catch(() => {}).then(() => this.#read());
    this.#refreshing = refreshing;
    await refreshing;
  }

  async #read(): Promise<void> {
    const [held, removed] = await Promise.all([this.#metadata.reviews.heldBlobs(), this.#metadata.removedBlobs()]);
    this.#held = new Set(held);
    this.#removed = new Map(removed.map(({ digest, reason }) => [digest, reason]));
  }

  /** Closes files while `work` tells the metadata store of them, whatever is read meanwhile. */
  async holding<Result>(digests: readonly Digest[], work: () => Promise<Result>): Promise<Result> {
    for (const digest of digests) this.#arriving.set(digest, (this.#arriving.get(digest) ?? 0) + 1);
    try {
      return await work();
    } finally {
      // Where it cannot be read they stay closed.
      await this.refresh();
      for (const digest of digests) {
        const others = this.#arriving.get(digest)! - 1;
        if (others === 0) this.#arriving.delete(digest);
        else this.#arriving.set(digest, others);
      }
    }
  }

  /** @throws {RegistryError} `BLOB_NOT_FOUND`: as for a file that was never there; `CONTENT_REMOVED` */
  require(digest: Digest): void {
    const reason = this.#removed.get(digest);
    if (reason !== undefined) throw contentRemoved(`Cannot send blob "${digest}"`, reason);
    if (!this.#held.has(digest) && !this.#arriving.has(digest)) return;
    throw new RegistryError({ code: "BLOB_NOT_FOUND", message: `Cannot find blob "${digest}"` });
  }
}
