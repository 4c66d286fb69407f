import SemVer from "semver/classes/semver.js";

// A document of 500 versions compares each of them many times; reading the text once is the whole cost.
const CACHE_LIMIT = 20_000;
const cache = new Map<string, SemVer>();

/** node-semver's reading of a text that is known to be a version. Shared: never mutate it. */
export function parsedVersion(version: string): SemVer {
  const known = cache.get(version);
  if (known !== undefined) return known;
  const parsed = new SemVer(version);
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(version, parsed);
  return parsed;
}
