import { StaticRegistryError } from "./static-error.ts";

/** Who holds a lease, and until when; kept as a file of the registry where nothing else can lock it. */
export interface Lease {
  readonly holder: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Where a registry is written that only one may write at a time. */
export const LEASE_PATH = "lease.json";
/** For how long a lease holds; a writer that was killed holds others up no longer. */
export const LEASE_MS: number = 10 * 60_000;

/** The file of a lease. */
export function encodeLease(lease: Lease): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(lease));
}

/** What a lease's file says; one that cannot be read holds nothing. */
export function decodeLease(bytes: Uint8Array): Lease {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Lease>;
    if (typeof value.holder === "string" && typeof value.until === "number") return value as Lease;
  } catch {
    // Half a file, or somebody's own: nobody holds it.
  }
  return { holder: "", until: 0 };
}

/** Thrown where a lease was lost to another writer while this one worked. */
export function leaseLost(location: string): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_REGISTRY_BUSY",
    message: `Cannot change the registry at "${location}": another writer has taken over after ${LEASE_MS / 60_000} minutes`,
    place: location,
  });
}
