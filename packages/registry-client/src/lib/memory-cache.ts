import { createHash } from "node:crypto";
import type { CachedMetadata, CacheLookup, MetadataCache } from "./ports.ts";

/** A cache that lives as long as the process; entries are verified as those on disk are. */
export function createMemoryCache(): MetadataCache {
  const registries = new Map<string, Map<string, CachedMetadata & { readonly sha256: string }>>();
  return {
    get: (registryUrl, path) => Promise.resolve(lookUp(registries.get(registryUrl), path)),
    put: (registryUrl, path, entry) => {
      const entries = registries.get(registryUrl) ?? new Map<string, CachedMetadata & { readonly sha256: string }>();
      const bytes = entry.bytes.slice();
      entries.set(path, { ...entry, bytes, sha256: sha256(bytes) });
      registries.set(registryUrl, entries);
      return Promise.resolve();
    },
    delete: (registryUrl, path) => {
      registries.get(registryUrl)?.delete(path);
      return Promise.resolve();
    },
    clear: (registryUrl) => {
      if (registryUrl === undefined) registries.clear();
      else registries.delete(registryUrl);
      return Promise.resolve();
    },
  };
}

function lookUp(
  entries: Map<string, CachedMetadata & { readonly sha256: string }> | undefined,
  path: string,
): CacheLookup {
  const found = entries?.get(path);
  if (found === undefined) return { status: "miss" };
  if (sha256(found.bytes) !== found.sha256) {
    entries?.delete(path);
    return { status: "corrupt", reason: "its bytes changed in memory" };
  }
  const { sha256: _, ...entry } = found;
  return { status: "hit", entry };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
