import type { Digest } from "@lading/core-manifest";
import type { Clock, MetadataStore } from "./ports.ts";

/** Counts downloads in memory; a crash loses at most what was counted since the last flush. */
export class DownloadCounter {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  #counts = new Map<Digest, number>();

  constructor(metadata: MetadataStore, clock: Clock) {
    this.#metadata = metadata;
    this.#clock = clock;
  }

  /** Notes one download. */
  add(digest: Digest): void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
  }

  /** Writes what was counted; on failure it is kept for the next time. */
  async flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = this.#counts;
    this.#counts = new Map();
    try {
      await this.#metadata.addDownloads(counts, this.#clock.now());
    } catch (error) {
      for (const [digest, count] of counts) this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + count);
      throw error;
    }
  }
}
