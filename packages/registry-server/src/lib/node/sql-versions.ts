import type { Kysely, Selectable } from "kysely";
import type { ArtifactRecord, VersionRecord } from "../records.ts";
import { Prepared } from "./prepared.ts";
import { hostRanges } from "./sql-hosts.ts";
import { toVersion } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";

type VersionRow = Selectable<Tables["versions"]>;
type ArtifactRow = Selectable<Tables["artifacts"]>;

const VERSIONS = new Prepared<{ packageId: number }, VersionRow>((db, place) =>
  db.selectFrom("versions").selectAll().where("package_id", "=", place("packageId")),
);
const VERSION = new Prepared<{ packageId: number; version: string }, VersionRow>((db, place) =>
  db
    .selectFrom("versions")
    .selectAll()
    .where("package_id", "=", place("packageId"))
    .where("version", "=", place("version")),
);
const STATUS = new Prepared<{ packageId: number; version: string }, Pick<VersionRow, "version" | "status">>(
  (db, place) =>
    db
      .selectFrom("versions")
      .select(["version", "status"])
      .where("package_id", "=", place("packageId"))
      .where("version", "=", place("version")),
);
const ARTIFACTS = new Prepared<{ packageId: number }, ArtifactRow>((db, place) =>
  db
    .selectFrom("artifacts")
    .innerJoin("versions", "versions.id", "artifacts.version_id")
    .selectAll("artifacts")
    .where("versions.package_id", "=", place("packageId"))
    .orderBy("artifacts.id"),
);
const ARTIFACTS_OF_VERSION = new Prepared<{ versionId: number }, ArtifactRow>((db, place) =>
  db.selectFrom("artifacts").selectAll().where("version_id", "=", place("versionId")).orderBy("id"),
);
const INSERT_VERSION = new Prepared<
  Omit<VersionRow, "id" | "reason" | "replacement" | "removal" | "downloaded">,
  { id: number }
>((db, place) =>
  db
    .insertInto("versions")
    .values({
      hosts: place("hosts"),
      package_id: place("package_id"),
      version: place("version"),
      kind: place("kind"),
      manifest: place("manifest"),
      status: place("status"),
      published: place("published"),
      publisher: place("publisher"),
      downloads: place("downloads"),
    })
    .returning("id"),
);
const INSERT_ARTIFACT = new Prepared<Omit<ArtifactRow, "id">, unknown>((db, place) =>
  db.insertInto("artifacts").values({
    version_id: place("version_id"),
    target: place("target"),
    blob: place("blob"),
    size: place("size"),
    tree: place("tree"),
    plain_size: place("plain_size"),
    file_count: place("file_count"),
    statement: place("statement"),
    signers: place("signers"),
    verified: place("verified"),
    readme: place("readme"),
    published: place("published"),
    leaf: place("leaf"),
  }),
);

/** Every version of a package, in no order. */
export async function versionsOf(session: Kysely<Tables>, packageId: number): Promise<VersionRecord[]> {
  const rows = await VERSIONS.all(session, { packageId });
  if (rows.length === 0) return [];
  const byVersion = new Map<number, ArtifactRow[]>();
  for (const artifact of await ARTIFACTS.all(session, { packageId })) {
    const group = byVersion.get(artifact.version_id);
    if (group === undefined) byVersion.set(artifact.version_id, [artifact]);
    else group.push(artifact);
  }
  return rows.map((row) => toVersion(row, byVersion.get(row.id) ?? []));
}

/** A version, and the id of its row. */
export async function storedVersion(
  session: Kysely<Tables>,
  packageId: number,
  version: string,
): Promise<{ readonly id: number; readonly record: VersionRecord } | undefined> {
  const row = await VERSION.first(session, { packageId, version });
  if (row === undefined) return undefined;
  return { id: row.id, record: toVersion(row, await ARTIFACTS_OF_VERSION.all(session, { versionId: row.id })) };
}

/** One version of a package. */
export async function versionOf(
  session: Kysely<Tables>,
  packageId: number,
  version: string,
): Promise<VersionRecord | undefined> {
  return (await storedVersion(session, packageId, version))?.record;
}

/** A version with its status alone. */
export async function statusOf(
  session: Kysely<Tables>,
  packageId: number,
  version: string,
): Promise<{ readonly version: string; readonly status: string } | undefined> {
  return STATUS.first(session, { packageId, version });
}

/**
 * Adds the row of a version, without its artefacts.
 * @returns its id
 */
export async function insertVersion(
  session: Kysely<Tables>,
  packageId: number,
  record: Omit<VersionRecord, "reason" | "replacement" | "removed" | "downloaded">,
): Promise<number> {
  const { manifest, artifacts: _, ...row } = record;
  const hosts = await hostRanges(session, manifest.hosts);
  const values = { ...row, package_id: packageId, manifest: JSON.stringify(manifest), hosts };
  return (await INSERT_VERSION.first(session, values))!.id;
}

/** Adds the row of an artefact whose entry in the log is `leaf`. */
export async function insertArtifact(
  session: Kysely<Tables>,
  versionId: number,
  artifact: ArtifactRecord,
  leaf: number,
): Promise<void> {
  await INSERT_ARTIFACT.all(session, {
    version_id: versionId,
    target: artifact.target,
    blob: artifact.blob,
    size: artifact.size,
    tree: artifact.tree,
    plain_size: artifact.plainSize,
    file_count: artifact.fileCount,
    statement: artifact.statement ?? null,
    signers: JSON.stringify(artifact.signers),
    verified: artifact.verified ? 1 : 0,
    readme: artifact.readme ?? null,
    published: artifact.published,
    leaf,
  });
}
