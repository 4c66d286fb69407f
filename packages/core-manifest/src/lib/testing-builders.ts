import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { digestFromBytes, type Digest } from "./digest.ts";
import type { EventListener, LadingEvent } from "./event.ts";
import type { IndexArtifact, IndexDocument, IndexVersion } from "./index-model.ts";
import type { LockPackage, Lockfile } from "./lockfile-model.ts";
import type { PackageRecord } from "./package-record.ts";

/** The SHA-256 of `seed` in UTF-8: a digest that looks like any other and is the same in every run. */
export function aDigest(seed: string): Digest {
  return digestFromBytes(sha256(utf8ToBytes(seed)));
}

/** A package record of a source package `tool` 1.0.0 for any target, changed by `change`. */
export function aPackageRecord(change: Partial<PackageRecord> = {}): PackageRecord {
  return {
    format: 1,
    kind: "source",
    target: "any",
    manifestFile: "lading.toml",
    executables: [],
    manifest: { name: "tool", version: "1.0.0" },
    ...change,
  };
}

/** An artefact for any target, whose digests depend on `seed`. */
export function anIndexArtifact(seed: string, change: Partial<IndexArtifact> = {}): IndexArtifact {
  return { target: "any", blob: aDigest(`${seed} blob`), size: 1000, tree: aDigest(`${seed} tree`), ...change };
}

/** An active, unsigned version without dependencies. */
export function anIndexVersion(version: string, change: Partial<IndexVersion> = {}): IndexVersion {
  return {
    schema: 1,
    version,
    kind: "source",
    artifacts: [anIndexArtifact(version)],
    dependencies: [],
    features: {},
    hosts: {},
    published: "2025-01-31T12:00:00Z",
    status: "active",
    signers: [],
    ...change,
  };
}

/** A document of `tool` with these versions, given in ascending order. */
export function anIndexDocument(
  versions: readonly IndexVersion[] = [anIndexVersion("1.0.0")],
  change: Partial<IndexDocument> = {},
): IndexDocument {
  return { schema: 1, name: "tool", sequence: versions.length, channels: {}, versions, ...change };
}

/** A locked package of the default registry, without dependencies. */
export function aLockPackage(name: string, version: string, change: Partial<LockPackage> = {}): LockPackage {
  const id = `${name} ${version}`;
  return {
    name,
    version,
    checksum: aDigest(`${id} blob`),
    tree: aDigest(`${id} tree`),
    features: [],
    dependencies: [],
    ...change,
  };
}

/** A lock of `my-package` with these packages, given in the order of a lock. */
export function aLockfile(packages: readonly LockPackage[] = [], change: Partial<Lockfile> = {}): Lockfile {
  return { version: 1, root: "my-package", packages, ...change };
}

/** A listener that keeps what it hears. */
export interface RecordedEvents {
  readonly events: readonly LadingEvent[];
  readonly onEvent: EventListener;
  /** The events of one type, in order. */
  of<T extends LadingEvent["type"]>(type: T): readonly Extract<LadingEvent, { type: T }>[];
}

/** Makes a listener whose events a test can look at. */
export function recordEvents(): RecordedEvents {
  const events: LadingEvent[] = [];
  return {
    events,
    onEvent: (event) => {
      events.push(event);
    },
    of: <T extends LadingEvent["type"]>(type: T) =>
      events.filter((event): event is Extract<LadingEvent, { type: T }> => event.type === type),
  };
}
