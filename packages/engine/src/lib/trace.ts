import type { EventListener } from "@lading/core-manifest";
import type { Fetch, MetadataCache } from "@lading/registry-client";
import { countLookup, countRequest } from "./package-metrics.ts";

/** Tells of every request: method, address without what could be a secret, status and time to the answer's head. */
export function tracedFetch(fetch: Fetch, onEvent: EventListener): Fetch {
  return async (url, init) => {
    countRequest();
    const started = performance.now();
    const tell = (outcome: string): void => {
      const took = Math.round(performance.now() - started);
      onEvent({ type: "debug", scope: "http", message: `${init.method} ${shownUrl(url)} ${outcome} (${took} ms)` });
    };
    try {
      const response = await fetch(url, init);
      tell(`${response.status}${lengthOf(response.headers.get("content-length"))}`);
      return response;
    } catch (error) {
      tell(init.signal.aborted ? "was aborted" : `failed: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  };
}

const lengthOf = (length: string | null): string => (length === null ? "" : `, ${length} bytes`);

/** A query or a user name in an address may be a signature or a password. */
function shownUrl(text: string): string {
  const url = new URL(text);
  return `${url.origin}${url.pathname}${url.search === "" ? "" : "?..."}`;
}

/** Tells what of the index was in the cache. */
export function tracedCache(cache: MetadataCache, onEvent: EventListener): MetadataCache {
  const tell = (message: string): void => onEvent({ type: "debug", scope: "cache", message });
  return {
    async get(registryUrl, path) {
      const found = await cache.get(registryUrl, path);
      countLookup(found.status === "hit");
      tell(`${path}: ${found.status}`);
      return found;
    },
    async put(registryUrl, path, entry) {
      await cache.put(registryUrl, path, entry);
      tell(`${path}: stored`);
    },
    delete: (registryUrl, path) => cache.delete(registryUrl, path),
    clear: (registryUrl) => cache.clear(registryUrl),
  };
}
