import { isAllowedPublicKey } from "./ed25519.ts";
import { encodeHex } from "./bytes.ts";
import { fingerprint } from "./key-id.ts";
import { matchesNamePattern } from "./name-pattern.ts";
import { SigningError } from "./signing-error.ts";

/** A key and what it is trusted for. */
export interface TrustedKey {
  /** 32-byte Ed25519 public key. */
  readonly publicKey: Uint8Array;
  /** Whose it is, for people. */
  readonly label?: string;
  /** Account name of the publisher, as `trusted_publishers` lists them. */
  readonly publisher?: string;
  /** Patterns over package names that the key may sign; absent: all. `*` stops at `/`, `**` does not. */
  readonly names?: readonly string[];
  /** Milliseconds since the epoch: what was published before is not trusted by this key; absent: any time. */
  readonly sinceMs?: number;
  /** Index in the transparency log before which it is not trusted; absent: from the first. */
  readonly fromIndex?: number;
  /** Index in the transparency log from which it is not trusted any more, by rotation or revocation; absent: to the last. */
  readonly untilIndex?: number;
}

/** Which keys count, and how many of them are needed. */
export interface TrustPolicy {
  /** By {@link fingerprint} of the key. */
  readonly keys: ReadonlyMap<string, TrustedKey>;
  /** How many different keys must have signed; at least 1. */
  readonly threshold: number;
}

function invalid(problem: string): SigningError {
  return new SigningError({ code: "SIGNATURE_POLICY_INVALID", message: `Cannot use the trust policy: ${problem}` });
}

/**
 * Makes a trust policy. Of two entries for one key the later wins.
 * @param options.threshold how many different keys must sign; 1 unless given
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID` for a threshold below 1, `KEY_INVALID` for a key that cannot be one
 */
export function createTrustPolicy(
  keys: Iterable<TrustedKey>,
  options: { readonly threshold?: number | undefined } = {},
): TrustPolicy {
  const entries = [...keys];
  for (const key of entries) checkPublicKey(key.publicKey);
  const policy = {
    keys: new Map(entries.map((key) => [fingerprint(key.publicKey), key])),
    threshold: options.threshold ?? 1,
  };
  checkTrustPolicy(policy);
  return policy;
}

/** @throws {SigningError} `SIGNATURE_POLICY_INVALID` */
export function checkTrustPolicy(policy: TrustPolicy): void {
  if (!Number.isSafeInteger(policy.threshold) || policy.threshold < 1) {
    throw invalid(`its threshold is ${policy.threshold}, allowed are whole numbers from 1`);
  }
}

/** @throws {SigningError} `KEY_INVALID` for 32 bytes that no honest signer has as its key */
export function checkPublicKey(publicKey: Uint8Array): void {
  if (isAllowedPublicKey(publicKey)) return;
  throw new SigningError({
    code: "KEY_INVALID",
    message: `Cannot trust the public key ${encodeHex(publicKey.subarray(0, 32))}: it is not 32 bytes, not canonical, or of low order`,
  });
}

/** Whether a key is trusted at a place in the log; where the place is not known, only one that is trusted everywhere. */
function isAllowedAt({ fromIndex, untilIndex }: TrustedKey, index: number | undefined): boolean {
  if (index === undefined) return fromIndex === undefined && untilIndex === undefined;
  return index >= (fromIndex ?? 0) && index < (untilIndex ?? Number.POSITIVE_INFINITY);
}

/**
 * Whether a key may sign a package of that name, published at that time, in that entry of the log. A key with a `sinceMs`
 * (or a place in the log) is allowed nothing where the time (the place) is not known: what is unknown must not lift a
 * restriction.
 */
export function isAllowedFor(
  key: TrustedKey,
  name: string,
  publishedMs: number | undefined,
  logIndex?: number,
): boolean {
  const named = key.names === undefined || key.names.some((pattern) => matchesNamePattern(pattern, name));
  const timely = key.sinceMs === undefined || (publishedMs !== undefined && publishedMs >= key.sinceMs);
  return named && timely && isAllowedAt(key, logIndex);
}
