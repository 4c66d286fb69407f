import {
  LATEST_CHANNEL,
  compareVersions,
  latestVersion,
  type Channels,
  type IndexDocument,
  type IndexVersion,
} from "@lading/core-manifest";
import type { KeyStatementRecord, PackageSummary, VersionRecord } from "./records.ts";

/** RFC 3339, UTC, whole seconds. */
export function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/** Sorts ascending by SemVer precedence; returns a new array. */
export function sortVersions(versions: readonly VersionRecord[]): VersionRecord[] {
  return [...versions].sort((left, right) => compareVersions(left.version, right.version));
}

/** Every channel of a package with the version that it names, `latest` among them. */
export function channelsOf(
  { channels = {} }: Pick<PackageSummary, "channels">,
  versions: readonly { readonly version: string; readonly status: string }[],
): Channels {
  const latest = latestVersion(versions, channels[LATEST_CHANNEL]);
  return latest === undefined ? {} : { ...channels, [LATEST_CHANNEL]: latest };
}

/** What a package's index document says of one version. */
export function indexVersion(record: VersionRecord): IndexVersion {
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
  const sorted = sortVersions(versions);
  return documentOf(summary, sorted.map(indexVersion), trustFields(summary, sorted, statements));
}

/** As {@link indexDocumentOf}, of versions in ascending order whose publishers have made no statement about their keys. */
export function plainIndexDocument(summary: PackageSummary, versions: readonly IndexVersion[]): IndexDocument {
  return documentOf(summary, versions, trustFields(summary, [], []));
}

/** The summary is of the same moment, and its latest version was found by {@link latestVersion}. */
function documentChannels({ channels, latest }: PackageSummary): Channels {
  return latest === undefined ? {} : { ...channels, [LATEST_CHANNEL]: latest };
}

function documentOf(
  summary: PackageSummary,
  versions: readonly IndexVersion[],
  extra: Readonly<Record<string, unknown>>,
): IndexDocument {
  return {
    schema: 1,
    name: summary.name,
    sequence: summary.sequence,
    channels: documentChannels(summary),
    versions,
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}
