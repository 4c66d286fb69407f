import type { Digest } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";

/**
 * Files that nobody may read by their digest although the blob store has them, in memory, so that reads of blobs ask no
 * database: those of publications that wait for a reviewer.
 */
export class BlobGate {
  readonly #metadata: Pick<MetadataStore, "reviews">;
  #held: ReadonlySet<string> = new Set();

  constructor(metadata: Pick<MetadataStore, "reviews">) {
    this.#metadata = metadata;
  }

  /** Reads again what is closed. */
  async refresh(): Promise<void> {
    this.#held = new Set(await this.#metadata.reviews.heldBlobs());
  }

  /** Closes files at once, before the metadata store knows of them. */
  hold(digests: readonly Digest[]): void {
    this.#held = new Set([...this.#held, ...digests]);
  }

  /** @throws {RegistryError} `BLOB_NOT_FOUND`: as for a file that was never there */
  require(digest: Digest): void {
    if (!this.#held.has(digest)) return;
    throw new RegistryError({ code: "BLOB_NOT_FOUND", message: `Cannot find blob "${digest}"` });
  }
}
