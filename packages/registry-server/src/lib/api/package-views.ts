import { indexDocumentPath } from "@lading/core-manifest";
import { channelsOf, timestamp } from "../index-model.ts";
import type { Published } from "../publish.ts";
import type { ArtifactRecord, PackagePolicy, PackageSummary, VersionRecord } from "../records.ts";
import { reviewUrl, viewReview } from "./review-views.ts";
import { isTrustedAt, type PublisherKey } from "../trust/publisher-keys.ts";

type Json = Record<string, unknown>;

/** What stands behind a version besides its publisher: the log and the root in force, and what became of the keys. */
export interface VersionTrust {
  readonly log: { readonly origin: string; readonly key: string; readonly size: number; readonly root: string };
  readonly root: { readonly version: number; readonly digest: string; readonly development: boolean };
  /** Whether signed metadata that is served names what the index says of the package now. */
  readonly visible: boolean;
  /** Keys of the publisher, as they are by what the log says. */
  readonly keys: readonly PublisherKey[];
}

/** URL of a package below the API; the slash of a namespace is encoded. */
export function packageUrl(base: string, name: string): string {
  return `${base}/api/v1/packages/${encodeURIComponent(name)}`;
}

/** URL of a version below the API. */
export function versionUrl(base: string, name: string, version: string): string {
  return `${packageUrl(base, name)}/versions/${encodeURIComponent(version)}`;
}

/** A package in a list or a search result. */
export function summaryView(base: string, summary: PackageSummary): Json {
  return {
    name: summary.name,
    latest: summary.latest,
    version: summary.latest,
    title: summary.title,
    description: summary.description,
    license: summary.license,
    keywords: summary.keywords,
    categories: summary.categories,
    downloads: summary.downloads,
    created: timestamp(summary.created),
    updated: timestamp(summary.updated),
    links: { self: packageUrl(base, summary.name) },
  };
}

function artifactView(base: string, artifact: ArtifactRecord): Json {
  const { target, blob, size, tree, plainSize, fileCount, statement, signers, verified, published, leaf } = artifact;
  return {
    target,
    blob,
    size,
    tree,
    plain_size: plainSize,
    files: fileCount,
    ...(statement === undefined ? {} : { statement }),
    signers,
    verified,
    published: timestamp(published),
    ...(leaf === undefined ? {} : { entry: leaf }),
    url: `${base}/blobs/sha256/${blob.slice("sha256:".length)}`,
  };
}

function signatureView(record: VersionRecord): Json | undefined {
  const signed = record.artifacts.filter(({ statement }) => statement !== undefined);
  if (signed.length === 0) return undefined;
  return {
    algorithm: "ed25519",
    signers: [...new Set(signed.flatMap(({ signers }) => signers))],
    verified: signed.length === record.artifacts.length && signed.every(({ verified }) => verified),
  };
}

/** A version in a list. */
export function versionView(base: string, name: string, record: VersionRecord): Json {
  return {
    version: record.version,
    kind: record.kind,
    status: record.status,
    yanked: record.status === "yanked" || record.status === "removed",
    reason: record.reason,
    replacement: record.replacement,
    ...(record.removed === undefined
      ? {}
      : { removed: { reason: record.removed.reason, at: timestamp(record.removed.at), purge: record.removed.purge } }),
    published: timestamp(record.published),
    publisher: record.publisher,
    downloads: record.downloads,
    license: record.manifest.license,
    signed: record.artifacts.some(({ statement }) => statement !== undefined),
    links: {
      self: versionUrl(base, name, record.version),
      download: `${versionUrl(base, name, record.version)}/download`,
    },
  };
}

interface KeyView {
  readonly fingerprint: string;
  readonly state?: string;
  readonly trusted?: boolean;
}

function keyViews(record: VersionRecord, keys: readonly PublisherKey[]): readonly KeyView[] {
  const signers = [...new Set(record.artifacts.flatMap(({ signers }) => signers))];
  return signers.map((fingerprint) => {
    const key = keys.find(({ record: { fingerprint: known } }) => known === fingerprint);
    if (key === undefined) return { fingerprint };
    const signed = record.artifacts.filter((artifact) => artifact.signers.includes(fingerprint));
    // By what the log says of the key: what it signed after its end counts for nothing.
    const trusted = signed.every(({ leaf }) => leaf !== undefined && isTrustedAt(key, leaf));
    return { fingerprint, state: key.state, trusted };
  });
}

function keyWords({ fingerprint, state, trusted }: KeyView): string {
  if (trusted === true) return `signed by ${fingerprint}, a key of the publisher (${state})`;
  if (trusted === false) return `signed by ${fingerprint}, which is not trusted at its entries of the log (${state})`;
  return `signed by ${fingerprint}, which is no key of the publisher any more`;
}

/** The layers in the words that `verify` has for them, for pages and people. */
function trustWords(record: VersionRecord, keys: readonly KeyView[], { log, root, visible }: VersionTrust): string[] {
  const entries = record.artifacts.flatMap(({ target, leaf }) =>
    leaf === undefined ? [] : [record.artifacts.length === 1 ? `entry ${leaf}` : `entry ${leaf} (${target})`],
  );
  return [
    `published ${timestamp(record.published)} by ${record.publisher}${entries.length === 0 ? "" : `, ${entries.join(", ")} of ${log.origin}`}, which has ${log.size} entries`,
    ...(keys.length === 0 ? ["nobody signed it"] : keys.map(keyWords)),
    visible
      ? `signed metadata names it, under root ${root.version} (${root.digest}${root.development ? ", development keys that lie on the server" : ""})`
      : "signed metadata does not name it as it is yet; that takes a second",
  ];
}

function trustView(base: string, name: string, record: VersionRecord, trust: VersionTrust): Json {
  const keys = keyViews(record, trust.keys);
  return {
    publisher: record.publisher,
    keys,
    log: trust.log,
    root: trust.root,
    visible: trust.visible,
    text: trustWords(record, keys, trust),
    links: {
      proof: `${versionUrl(base, name, record.version)}/proof`,
      keys: `${base}/api/v1/accounts/${encodeURIComponent(record.publisher)}/keys`,
      checkpoint: `${base}/log/checkpoint`,
    },
  };
}

/** A version with everything: artefacts, signature, what stands behind it, manifest, dependencies. */
export function versionDetailsView(base: string, name: string, record: VersionRecord, trust?: VersionTrust): Json {
  return {
    name,
    ...versionView(base, name, record),
    artifacts: record.artifacts.map((artifact) => artifactView(base, artifact)),
    signature: signatureView(record),
    ...(trust === undefined ? {} : { trust: trustView(base, name, record, trust) }),
    dependencies: record.manifest.dependencies ?? [],
    features: record.manifest.features ?? {},
    hosts: record.manifest.hosts ?? {},
    manifest: record.manifest,
  };
}

/** What a package's owners demand of its publications. */
export function policyView({ threshold, publicKeys, trustedPublishers }: PackagePolicy): Json {
  return {
    ...(threshold === undefined ? {} : { threshold }),
    ...(publicKeys === undefined ? {} : { public_keys: publicKeys }),
    ...(trustedPublishers === undefined ? {} : { trusted_publishers: trustedPublishers }),
  };
}

/** A package with all versions, owners and the metadata of its latest version. */
export function packageView(
  base: string,
  summary: PackageSummary,
  versions: readonly VersionRecord[],
  owners: readonly string[],
): Json {
  const latest = versions.find(({ version }) => version === summary.latest);
  return {
    ...summaryView(base, summary),
    authors: latest?.manifest.authors,
    repository: latest?.manifest.repository,
    homepage: latest?.manifest.homepage,
    documentation: latest?.manifest.documentation,
    sequence: summary.sequence,
    ...(summary.policy === undefined ? {} : { policy: policyView(summary.policy) }),
    owners,
    channels: channelsOf(summary, versions),
    versions: versions.map((record) => versionView(base, summary.name, record)),
    manifest: latest?.manifest,
    signature: latest && signatureView(latest),
    links: {
      self: packageUrl(base, summary.name),
      versions: `${packageUrl(base, summary.name)}/versions`,
      index: `${base}/${indexDocumentPath(summary.name)}`,
      readme: `${packageUrl(base, summary.name)}/readme`,
    },
  };
}

/** The answer to a publication. */
export function publishedView(registry: string, published: Published): Json {
  const { mount } = published;
  const base = `${registry}${mount ?? ""}`;
  const { name, version, artifact, sequence, visible, log, review } = published;
  const { target, blob, size, tree, statement, signers } = artifact;
  return {
    name,
    version: version.version,
    kind: version.kind,
    target,
    artifact: { blob, size, tree, ...(statement === undefined ? {} : { statement }) },
    signers,
    verified: artifact.verified,
    status: version.status,
    published: timestamp(artifact.published),
    sequence,
    visible,
    ...(mount === undefined ? {} : { tree: `${base}/` }),
    ...(log === undefined ? {} : { log }),
    ...(review === undefined ? {} : { review: viewReview(base, review) }),
    links: {
      ...(review === undefined ? {} : { review: reviewUrl(base, review.id) }),
      self: versionUrl(base, name, version.version),
      download: `${versionUrl(base, name, version.version)}/download?target=${encodeURIComponent(target)}`,
      index: `${base}/${indexDocumentPath(name)}`,
    },
  };
}
