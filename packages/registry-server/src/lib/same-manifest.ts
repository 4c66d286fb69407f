import type { PublishedManifest } from "@lading/core-manifest";

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** Whether two manifests say the same, whatever the order of their keys. */
export function sameManifest(left: PublishedManifest, right: PublishedManifest): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}
