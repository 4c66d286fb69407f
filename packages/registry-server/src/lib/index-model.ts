import {
  LATEST_CHANNEL,
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

/**
 * The version that a bare request means: `pinned` while it may be chosen, else the highest active release, else the highest
 * active, else the highest of all.
 */
export function latestVersion(
  versions: readonly { readonly version: string; readonly status: string }[],
  pinned?: string,
): Version | undefined {
  const sorted = versions.map((entry) => ({ ...entry, version: parseVersion(entry.version) }));
  sorted.sort((left, right) => compareVersions(right.version, left.version));
  const choosable = sorted.filter(({ status }) => status === "active" || status === "deprecated");
  const kept = choosable.find(({ version }) => version === pinned);
  const best = kept ?? choosable.find(({ version }) => !isPrerelease(version)) ?? choosable[0] ?? sorted[0];
  return best?.version;
}

/** Sorts ascending by SemVer precedence; returns a new array. */
export function sortVersions(versions: readonly VersionRecord[]): VersionRecord[] {
  return [...versions].sort((left, right) => compareVersions(left.version, right.version));
}

type Channels = Readonly<Record<string, string>>;

/** Every channel of a package with the version that it names, `latest` among them. */
export function channelsOf(
  { channels = {} }: Pick<PackageSummary, "channels">,
  versions: readonly { readonly version: string; readonly status: string }[],
): Channels {
  const latest = latestVersion(versions, channels[LATEST_CHANNEL]);
  return latest === undefined ? {} : { ...channels, [LATEST_CHANNEL]: latest };
}

/**
 * The channels that are set after a publication. One in a channel of its own leaves `latest` where it is, also from then on:
 * later versions without a channel move it only upwards from there.
 */
export function channelsAfter(
  before: Pick<PackageSummary, "channels" | "latest"> | undefined,
  { version, channel }: { readonly version: Version; readonly channel?: string | undefined },
): Channels {
  const { channels = {}, latest } = before ?? {};
  if (channel !== undefined) {
    const stays = latest === undefined || latest === version ? {} : { [LATEST_CHANNEL]: latest };
    return { ...stays, ...channels, [channel]: version };
  }
  const pinned = channels[LATEST_CHANNEL];
  if (pinned === undefined) return channels;
  const both = [pinned, version].map((one) => ({ version: one, status: "active" }));
  return { ...channels, [LATEST_CHANNEL]: latestVersion(both)! };
}

/** The channels that are set after one of them names another version, or none. */
export function withChannel(
  channels: Channels = {},
  { channel, version }: { readonly channel: string; readonly version?: Version },
): Channels {
  const { [channel]: _, ...others } = channels;
  return version === undefined ? others : { ...others, [channel]: version };
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
  const sorted = sortVersions(versions);
  const extra = trustFields(summary, sorted, statements);
  return {
    schema: 1,
    name: summary.name,
    sequence: summary.sequence,
    channels: channelsOf(summary, versions),
    versions: sorted.map(indexVersion),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}
