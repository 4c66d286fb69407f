import {
  compareVersions,
  isPrerelease,
  parseVersion,
  type IndexDocument,
  type IndexVersion,
  type Version,
} from "@lading/core-manifest";
import type { KeyStatementRecord, PackageSummary, VersionRecord } from "./records.ts";

/** RFC 3339, UTC, whole seconds. */
export function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/** The version that a bare request means: highest active release, else highest active, else highest of all. */
export function latestVersion(
  versions: readonly { readonly version: string; readonly status: string }[],
): Version | undefined {
  const sorted = versions.map((entry) => ({ ...entry, version: parseVersion(entry.version) }));
  sorted.sort((left, right) => compareVersions(right.version, left.version));
  const choosable = sorted.filter(({ status }) => status === "active" || status === "deprecated");
  const best = choosable.find(({ version }) => !isPrerelease(version)) ?? choosable[0] ?? sorted[0];
  return best?.version;
}

/** Sorts ascending by SemVer precedence; returns a new array. */
export function sortVersions(versions: readonly VersionRecord[]): VersionRecord[] {
  return [...versions].sort((left, right) => compareVersions(left.version, right.version));
}

function indexVersion(record: VersionRecord): IndexVersion {
  const { manifest } = record;
  return {
    schema: 1,
    version: record.version,
    kind: record.kind,
    artifacts: record.artifacts.map(({ target, blob, size, tree, statement }) => ({
      target,
      blob,
      size,
      tree,
      ...(statement === undefined ? {} : { statement: "beside" as const }),
    })),
    dependencies: manifest.dependencies ?? [],
    features: manifest.features ?? {},
    ...(manifest.exclusiveFeatures === undefined ? {} : { exclusiveFeatures: manifest.exclusiveFeatures }),
    hosts: manifest.hosts ?? {},
    published: timestamp(record.published),
    status: record.status,
    ...(record.reason === undefined ? {} : { reason: record.reason }),
    ...(record.replacement === undefined ? {} : { replacement: record.replacement }),
    ...(manifest.license === undefined ? {} : { license: manifest.license }),
    signers: [...new Set(record.artifacts.flatMap(({ signers }) => signers))],
    publisher: record.publisher,
  };
}

const CHANGES = { rotation: "rotate", recovery: "recover", revocation: "revoke" } as const;

function keyChange(record: KeyStatementRecord): Readonly<Record<string, unknown>> {
  const { leaf, logged, account, kind, key, previous, fromIndex, effective, statement } = record;
  return {
    entry: leaf,
    logged: timestamp(logged),
    account,
    change: CHANGES[kind],
    key,
    ...(previous === undefined ? {} : { previous }),
    ...(fromIndex === undefined ? {} : { fromIndex }),
    ...(effective === undefined ? {} : { effective: timestamp(effective) }),
    statement,
  };
}

/**
 * What a document says beside its versions, where there is anything to say: its owners' policy, statements about keys of its
 * publishers, and (only with those, for nobody else needs them) the log entries of its artefacts.
 */
function trustFields(
  { policy }: PackageSummary,
  versions: readonly VersionRecord[],
  statements: readonly KeyStatementRecord[],
): Readonly<Record<string, unknown>> {
  const entries = versions.map(({ version, artifacts }) => [version, artifacts.map(({ leaf }) => leaf ?? null)]);
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(statements.length === 0 ? {} : { keys: statements.map(keyChange), entries: Object.fromEntries(entries) }),
  };
}

/** The index document of a package, from what the metadata store knows. */
export function indexDocumentOf(
  summary: PackageSummary,
  versions: readonly VersionRecord[],
  statements: readonly KeyStatementRecord[] = [],
): IndexDocument {
  const latest = latestVersion(versions);
  const sorted = sortVersions(versions);
  const extra = trustFields(summary, sorted, statements);
  return {
    schema: 1,
    name: summary.name,
    sequence: summary.sequence,
    channels: latest === undefined ? {} : { latest },
    versions: sorted.map(indexVersion),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}
