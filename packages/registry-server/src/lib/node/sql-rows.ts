import type {
  CanonicalName,
  Digest,
  PackageKind,
  PackageName,
  PublishedManifest,
  Version,
  VersionStatus,
} from "@lading/core-manifest";
import type { Selectable } from "kysely";
import type {
  Account,
  ArtifactRecord,
  AuditRecord,
  KeyRecord,
  KeyStatementRecord,
  PackagePolicy,
  PackageSummary,
  Scope,
  TokenRecord,
  VersionRecord,
  VersionRemoval,
} from "../records.ts";
import type { Tables } from "./sql-schema.ts";

type Row<Name extends keyof Tables> = Selectable<Tables[Name]>;

/** An object without the keys whose value is `null`, as the records' optional fields want it. */
export function present<Value extends Record<string, unknown>>(
  value: Value,
): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null && item !== undefined)) as {
    [Key in keyof Value]?: NonNullable<Value[Key]>;
  };
}

export function toAccount(row: Row<"accounts">): Account {
  return {
    id: row.id,
    username: row.username,
    ...present({ email: row.email, origin: row.origin }),
    passwordHash: row.password_hash,
    admin: row.admin !== 0,
    created: row.created,
    ...present({ deleted: row.deleted }),
  };
}

export function toToken(row: Row<"tokens">): TokenRecord {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    hash: row.hash,
    scopes: JSON.parse(row.scopes) as Scope[],
    packages: JSON.parse(row.packages) as string[],
    ...(row.cidr === null ? {} : { cidr: JSON.parse(row.cidr) as string[] }),
    created: row.created,
    ...present({ expires: row.expires, lastUsed: row.last_used }),
  };
}

export function toKey(row: Row<"keys">): KeyRecord {
  return {
    fingerprint: row.fingerprint,
    accountId: row.account_id,
    pem: row.pem,
    ...present({ name: row.name, origin: row.origin as KeyRecord["origin"] | null }),
    created: row.created,
  };
}

export function toKeyStatement(row: Row<"key_statements"> & { readonly username: string }): KeyStatementRecord {
  return {
    accountId: row.account_id,
    account: row.username,
    kind: row.kind as KeyStatementRecord["kind"],
    key: row.fingerprint,
    ...present({ previous: row.previous, fromIndex: row.from_index, effective: row.effective }),
    statement: row.statement as Digest,
    bytes: Uint8Array.from(row.bytes),
    leaf: row.leaf,
    logged: row.logged,
  };
}

export function toSummary(row: Row<"packages">): PackageSummary {
  return {
    name: row.name as PackageName,
    canonical: row.canonical as CanonicalName,
    sequence: row.sequence,
    ...(row.policy === null ? {} : { policy: JSON.parse(row.policy) as PackagePolicy }),
    ...(row.channels === null ? {} : { channels: JSON.parse(row.channels) as Record<string, string> }),
    ...present({ latest: row.latest, title: row.title, description: row.description, license: row.license }),
    keywords: JSON.parse(row.keywords) as string[],
    categories: JSON.parse(row.categories) as string[],
    downloads: row.downloads,
    created: row.created,
    updated: row.updated,
  };
}

export function toArtifact(row: Row<"artifacts">): ArtifactRecord {
  return {
    target: row.target,
    blob: row.blob as Digest,
    size: row.size,
    tree: row.tree as Digest,
    plainSize: row.plain_size,
    fileCount: row.file_count,
    ...(row.statement === null ? {} : { statement: row.statement as Digest }),
    signers: JSON.parse(row.signers) as string[],
    verified: row.verified !== 0,
    ...(row.readme === null ? {} : { readme: row.readme as Digest }),
    published: row.published,
    ...present({ leaf: row.leaf }),
  };
}

export function toRemoval(text: string | null): VersionRemoval | undefined {
  return text === null ? undefined : (JSON.parse(text) as VersionRemoval);
}

export function toVersion(row: Row<"versions">, artifacts: readonly Row<"artifacts">[]): VersionRecord {
  return {
    version: row.version as Version,
    kind: row.kind as PackageKind,
    manifest: JSON.parse(row.manifest) as PublishedManifest,
    status: row.status as VersionStatus,
    ...present({ reason: row.reason, replacement: row.replacement }),
    ...present({ removed: toRemoval(row.removal) ?? null }),
    published: row.published,
    publisher: row.publisher,
    downloads: row.downloads,
    ...present({ downloaded: row.downloaded }),
    artifacts: artifacts.map(toArtifact),
  };
}

export function toAudit(row: Row<"audit">): AuditRecord {
  return {
    id: row.id,
    at: row.at,
    actor: row.actor,
    action: row.action,
    ...present({ package: row.package, version: row.version, traceId: row.trace_id, address: row.address }),
    details: JSON.parse(row.details) as Record<string, unknown>,
  };
}
