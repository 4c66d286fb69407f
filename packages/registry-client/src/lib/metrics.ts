import type { ClientMetrics } from "./client-types.ts";

/** The counters while they count. */
export type MutableMetrics = { -readonly [Key in keyof ClientMetrics]: ClientMetrics[Key] };

export function createMetrics(): MutableMetrics {
  return {
    requests: 0,
    retries: 0,
    notModified: 0,
    memoryHits: 0,
    cacheReads: 0,
    cacheHits: 0,
    cacheCorrupt: 0,
    downloads: 0,
    downloadedBytes: 0,
    uploadedBytes: 0,
  };
}
