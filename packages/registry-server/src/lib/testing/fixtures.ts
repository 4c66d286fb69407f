import {
  canonicalName,
  parseDigest,
  parsePackageName,
  parseVersion,
  type Digest,
  type PublishedManifest,
} from "@lading/core-manifest";
import { nameSkeleton } from "../package-name-rules.ts";
import type { Clock, Publication } from "../ports.ts";
import type { Account, AuditEntry, KeyStatementRecord } from "../records.ts";

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;

  /** Starts at `now`, milliseconds since the epoch. */
  constructor(now: number = Date.UTC(2025, 0, 31, 12)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Moves the clock. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** A digest made of one repeated hexadecimal digit pair, different for each number from 0 to 255. */
export function fakeDigest(number: number): Digest {
  return parseDigest(`sha256:${number.toString(16).padStart(2, "0").repeat(32)}`);
}

/** An account that nobody can log in to. */
export function fakeAccount(username: string, change: Partial<Account> = {}): Account {
  return { id: `id-${username}`, username, passwordHash: "", admin: false, created: 1_700_000_000_000, ...change };
}

/** An audit entry. */
export function fakeAudit(change: Partial<AuditEntry> = {}): AuditEntry {
  return { at: 1_700_000_000_000, actor: "somebody", action: "test", details: {}, ...change };
}

/** A statement of an account about the key whose id is one repeated pair of digits: a rotation unless told otherwise. */
export function fakeKeyStatement(
  account: Account,
  pair: string,
  change: Partial<Omit<KeyStatementRecord, "leaf">> = {},
): Omit<KeyStatementRecord, "leaf"> {
  return {
    accountId: account.id,
    account: account.username,
    kind: "rotation",
    key: `ed25519:${pair.repeat(32)}`,
    statement: parseDigest(`sha256:${pair.repeat(31)}00`),
    bytes: new TextEncoder().encode('{"signatures":[]}'),
    logged: 1_700_000_000_000,
    ...change,
  };
}

/** A publication of `name@version` whose tree is number `tree`. */
export function fakePublication(
  account: Account,
  name: string,
  version: string,
  change: {
    readonly tree?: number;
    readonly target?: string;
    readonly kind?: Publication["kind"];
    readonly manifest?: Partial<PublishedManifest>;
    readonly override?: boolean;
    readonly at?: number;
  } = {},
): Publication {
  const parsed = parsePackageName(name);
  const canonical = canonicalName(parsed);
  const { tree = 1, target = "any", at = 1_700_000_000_000 } = change;
  return {
    name: parsed,
    canonical,
    skeleton: nameSkeleton(canonical),
    version: parseVersion(version),
    kind: change.kind ?? "binary",
    manifest: { name, version, ...change.manifest },
    artifact: {
      target,
      blob: fakeDigest(tree),
      size: 100 + tree,
      tree: fakeDigest(255 - tree),
      plainSize: 1000,
      fileCount: 2,
      signers: [],
      verified: false,
      published: at,
    },
    account,
    override: change.override ?? false,
    audit: fakeAudit({ at, actor: account.username, action: "package.publish", package: name, version }),
  };
}
