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

  constructor(metadata: Pick<MetadataStore, "reviews" | "removedBlobs">) {
    this.#metadata = metadata;
  }

  /** Reads again what is closed. */
  async refresh(): Promise<void> {
    const [held, removed] = await Promise.all([this.#metadata.reviews.heldBlobs(), this.#metadata.removedBlobs()]);
    this.#held = new Set(held);
    this.#removed = new Map(removed.map(({ digest, reason }) => [digest, reason]));
  }

  /** Closes files at once, before the metadata store knows of them. */
  hold(digests: readonly Digest[]): void {
    this.#held = new Set([...this.#held, ...digests]);
  }

  /** @throws {RegistryError} `BLOB_NOT_FOUND`: as for a file that was never there; `CONTENT_REMOVED` */
  require(digest: Digest): void {
    const reason = this.#removed.get(digest);
    if (reason !== undefined) throw contentRemoved(`Cannot send blob "${digest}"`, reason);
    if (!this.#held.has(digest)) return;
    throw new RegistryError({ code: "BLOB_NOT_FOUND", message: `Cannot find blob "${digest}"` });
  }
}
