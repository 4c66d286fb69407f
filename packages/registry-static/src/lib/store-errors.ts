import { createHash } from "node:crypto";
import { StaticRegistryError } from "./static-error.ts";

/** What every store says where it cannot be read or written. */
export function storeFailed(location: string, action: string, cause: unknown): StaticRegistryError {
  if (cause instanceof StaticRegistryError) return cause;
  return new StaticRegistryError({
    code: "STATIC_STORE_FAILED",
    message: `Cannot ${action} at "${location}": ${cause instanceof Error ? cause.message : String(cause)}`,
    place: location,
    cause,
  });
}

/** What every store says where another writer does not end. */
export function busy(location: string): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_REGISTRY_BUSY",
    message: `Cannot change the registry at "${location}": another process writes to it`,
    place: location,
  });
}

/** What every store says where it is not allowed. */
export function storeRefused(location: string, action: string, found: string): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_STORE_REFUSED",
    message: `Cannot ${action} at "${location}": ${found}`,
    place: location,
  });
}

/** Paths come from names and digests that were checked; one that leaves the registry is a broken invariant. */
export function checkStorePath(path: string): void {
  const wrong = path.split("/").some((part) => ["", ".", ".."].includes(part)) || path.includes("\\");
  if (wrong) throw new Error(`"${path}" is no path of a registry`);
}

/** A package file that was replaced since it was inspected must not get the name of the other. */
export function checkBlob(location: string, path: string, bytes: Uint8Array): Uint8Array {
  const named = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (named === undefined || createHash("sha256").update(bytes).digest("hex") === named) return bytes;
  throw new StaticRegistryError({
    code: "STATIC_STORE_FAILED",
    message: `Cannot write "${path}" at "${location}": the package file has changed since it was inspected`,
    hint: "Publish the file again",
    place: location,
  });
}
