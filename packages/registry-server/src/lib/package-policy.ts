import { parseDigest, type Digest } from "@lading/core-manifest";
import { SigningError, parsePublicKey } from "@lading/signing";
import type { PublisherRule } from "@lading/signing/publisher";
import { createHash } from "node:crypto";
import type { PackagePolicy } from "./records.ts";
import { RegistryError } from "./registry-error.ts";

/** What is demanded of the publishers of packages whose names match; a section of the server's configuration. */
export interface PublisherDemand extends PackagePolicy {
  /** Name patterns. */
  readonly names: readonly string[];
}

function rawKey(text: string): string {
  try {
    return Buffer.from(parsePublicKey(text).publicKey).toString("base64");
  } catch (cause) {
    if (!(cause instanceof SigningError)) throw cause;
    throw new RegistryError({
      code: "KEY_REFUSED",
      message: `Cannot demand signatures by the key "${text.slice(0, 60)}": ${cause.message}`,
      hint: "Name public keys: the content of .pub files, SSH or minisign lines, or the 32 bytes in base64",
      reason: cause.code,
      cause,
    });
  }
}

/**
 * A policy as it is stored: keys as 32 bytes in base64, lists sorted, nothing twice.
 * @throws {RegistryError} `KEY_REFUSED`
 */
export function normalisePolicy(policy: {
  readonly [Key in keyof PackagePolicy]?: PackagePolicy[Key] | undefined;
}): PackagePolicy {
  const { threshold, publicKeys, trustedPublishers } = policy;
  return {
    ...(threshold === undefined ? {} : { threshold }),
    ...(publicKeys === undefined ? {} : { publicKeys: [...new Set(publicKeys.map(rawKey))].sort() }),
    ...(trustedPublishers === undefined ? {} : { trustedPublishers: [...new Set(trustedPublishers)].sort() }),
  };
}

/** Digest of a policy's canonical JSON, as the log states it. */
export function policyDigest(policy: object): Digest {
  const sorted = (value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(
          Object.entries(value)
            .sort(([left], [right]) => (left < right ? -1 : 1))
            .map(([key, item]) => [key, sorted(item)]),
        );
  return parseDigest(
    `sha256:${createHash("sha256")
      .update(JSON.stringify(sorted(policy)))
      .digest("hex")}`,
  );
}

/** The rule that a policy is. */
export function ruleOf(policy: PackagePolicy, names: readonly string[], source: string): PublisherRule {
  const { threshold, publicKeys, trustedPublishers } = policy;
  return {
    names,
    source,
    ...(threshold === undefined ? {} : { threshold }),
    ...(publicKeys === undefined
      ? {}
      : { publicKeys: publicKeys.map((key) => new Uint8Array(Buffer.from(key, "base64"))) }),
    ...(trustedPublishers === undefined ? {} : { trustedPublishers }),
  };
}
