import { tryParseDigest, type Digest } from "@lading/core-manifest";
import type { LogState } from "@lading/signing/log";
import { RegistryError } from "../registry-error.ts";

/** What is known of an upstream as a whole. Everything that it speaks of is held, and was verified. */
export interface UpstreamState {
  /** Its address at the last contact. */
  readonly url: string;
  /** What it calls itself. */
  readonly title: string;
  /** Digest of the root that trust began with. */
  readonly anchor: Digest;
  /** The root in force. */
  readonly root: number;
  readonly timestamp: number;
  /** When its signed metadata ends, in milliseconds since the epoch. */
  readonly expires: number;
  readonly log: { readonly key: string; readonly origin: string; readonly size: number; readonly root: string };
  /** The last change of its feed that is held; 0 where it has no feed. */
  readonly feed: number;
  /** When it answered last, and all that it answered held. */
  readonly checked: number;
  /** When it had something new last. */
  readonly changed: number;
  /** Patterns of the packages whose files are held; absent where they come on demand. */
  readonly packages?: readonly string[];
}

/** The log as the state says it was. */
export function logStateOf({ log }: UpstreamState): LogState {
  return { origin: log.origin, size: log.size, root: Buffer.from(log.root, "base64") };
}

/** Reads a stored state. @throws {RegistryError} `METADATA_DAMAGED` */
export function readState(text: string, upstream: string): UpstreamState {
  try {
    const value = JSON.parse(text) as UpstreamState;
    const numbers = [value.root, value.timestamp, value.expires, value.log.size, value.feed, value.checked];
    if (tryParseDigest(value.anchor) !== undefined && numbers.every((one) => Number.isSafeInteger(one))) return value;
  } catch {
    // Told below.
  }
  throw new RegistryError({
    code: "METADATA_DAMAGED",
    message: `Cannot use what is stored of upstream "${upstream}": its state is not one that was written here`,
    hint: "Restore a backup of the database",
  });
}
