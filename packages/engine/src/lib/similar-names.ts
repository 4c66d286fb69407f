import { canonicalName, tryParsePackageName } from "@lading/core-manifest";
import type { RegistryClient } from "@lading/registry-client";

/** Packages worth comparing a misspelt name with. */
const MOST_LOOKED_AT = 100;

/**
 * Names of a registry that begin as a misspelt one does, canonical: what may have been meant. A registry without search,
 * or one that does not answer, has none; nothing is more than a hint.
 */
export async function similarNames(client: RegistryClient, name: string, signal: AbortSignal): Promise<string[]> {
  if (client.registry.url.startsWith("file:")) return [];
  const own = name.slice(name.indexOf("/") + 1);
  const queries = new Set([own, own.slice(0, Math.max(3, Math.ceil(own.length / 2))), own.slice(0, 3)]);
  const found = new Set<string>();
  for (const query of queries) {
    try {
      const { items } = await client.search(query, { perPage: MOST_LOOKED_AT, signal });
      for (const item of items) {
        const parsed = tryParsePackageName(item.name);
        if (parsed !== undefined) found.add(canonicalName(parsed));
      }
    } catch {
      signal.throwIfAborted();
      return [...found];
    }
  }
  return [...found];
}
