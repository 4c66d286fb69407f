import type Database from "better-sqlite3";
import type { Version, VersionStatus } from "@lading/core-manifest";
import { entryName, publishEntry, statusEntry } from "../trust/log-entries.ts";
import { toArtifact } from "./sql-rows.ts";

type ArtifactRow = Parameters<typeof toArtifact>[0] & {
  readonly canonical: string;
  readonly version: string;
  readonly kind: string;
  readonly publisher: string;
};
interface StatusRow {
  readonly canonical: string;
  readonly version: string;
  readonly status: string;
  readonly reason: string | null;
  readonly updated: number;
}

/**
 * Gives the log of a registry that had none its first entries: the versions that exist, in order of their publication, then
 * the status of those that are not active. Who did the latter is not told, since the registry states it.
 */
export function seedLog(database: Database.Database): void {
  const insert = database.prepare("insert into log_entries (id, entry) values (?, ?)");
  const place = database.prepare("update artifacts set leaf = ? where id = ?");
  let next = 0;
  const append = (entry: Uint8Array): number => {
    insert.run(next, Buffer.from(entry));
    next += 1;
    return next - 1;
  };
  const artifacts = database
    .prepare(
      `select artifacts.*, versions.version, versions.kind, versions.publisher, packages.canonical from artifacts
       join versions on versions.id = artifacts.version_id join packages on packages.id = versions.package_id
       order by artifacts.published, artifacts.id`,
    )
    .all() as ArtifactRow[];
  for (const row of artifacts) {
    const leaf = append(
      publishEntry({
        canonical: entryName(row.canonical),
        version: row.version as Version,
        kind: row.kind as "binary" | "source",
        artifact: toArtifact(row),
        audit: { at: row.published, actor: row.publisher },
      }),
    );
    place.run(leaf, row.id);
  }
  const changed = database
    .prepare(
      `select packages.canonical, packages.updated, versions.version, versions.status, versions.reason from versions
       join packages on packages.id = versions.package_id where versions.status != 'active' order by packages.updated, versions.id`,
    )
    .all() as StatusRow[];
  for (const { canonical, version, status, reason, updated } of changed) {
    append(
      statusEntry({
        canonical: entryName(canonical),
        version: version as Version,
        status: status as VersionStatus,
        ...(reason === null ? {} : { reason }),
        audit: { at: updated, actor: "system" },
      }),
    );
  }
}
