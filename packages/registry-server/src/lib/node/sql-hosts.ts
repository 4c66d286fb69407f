import { createHash } from "node:crypto";
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import { latestVersion, meetsHosts, type PublishedManifest, type Version } from "@lading/core-manifest";
import { Prepared } from "./prepared.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type Hosts = Readonly<Record<string, string>>;

/** Few packages say much of hosts, and most say the same: each table is there once, and is judged once a search. */
export interface HostRanges {
  /** A digest: a publisher cannot make an index's key as long as a requirement may be. */
  readonly id: string;
  readonly ranges: string;
}

const KEEP = new Prepared<HostRanges, unknown>((db, place) =>
  db
    .insertInto("host_ranges")
    .values({ id: place("id"), ranges: place("ranges") })
    .onConflict((clash) => clash.doNothing()),
);

/** The row of a version's requirements on hosts, alike for equal ones. */
export function hostRangesRow(hosts: Hosts = {}): HostRanges {
  const ranges = JSON.stringify(
    Object.fromEntries(Object.entries(hosts).sort(([left], [right]) => (left < right ? -1 : 1))),
  );
  return { id: createHash("sha256").update(ranges).digest("hex").slice(0, 32), ranges };
}

/** Keeps a version's requirements on hosts; resolves with the id for its row. */
export async function hostRanges(session: Session, hosts: Hosts | undefined): Promise<string> {
  const row = hostRangesRow(hosts);
  await KEEP.all(session, row);
  return row.id;
}

/** Whether there are versions of which it is not written down for which hosts they are. */
export async function hasUnfilled(session: Session): Promise<boolean> {
  const row = await session.selectFrom("versions").select("id").where("hosts", "is", null).limit(1).executeTakeFirst();
  return row !== undefined;
}

const BATCH = 200;

/** Writes down for which hosts versions are where it is not, from their manifests. */
export async function fillHosts(session: Session): Promise<void> {
  for (;;) {
    const rows = await session
      .selectFrom("versions")
      .select(["id", "manifest"])
      .where("hosts", "is", null)
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return;
    for (const { id, manifest } of rows) {
      const { hosts } = JSON.parse(manifest) as PublishedManifest;
      const filled = await hostRanges(session, hosts);
      await session.updateTable("versions").set({ hosts: filled }).where("id", "=", id).execute();
    }
  }
}

/** Ids of the tables of ranges that hold for these hosts. */
export async function rangesFor(session: Session, hosts: Hosts): Promise<readonly string[]> {
  const rows = await session.selectFrom("host_ranges").selectAll().execute();
  return rows.filter(({ ranges }) => meetsHosts(JSON.parse(ranges) as Hosts, hosts)).map(({ id }) => id);
}

/** Packages with a version that may be chosen and has one of these tables of ranges. */
export function hostFilter(engine: SqlEngine, ranges: readonly string[]): RawBuilder<unknown> {
  return sql`exists (select 1 from versions where versions.package_id = packages.id
    and versions.hosts in ${engine.texts(ranges)} and versions.status in ('active', 'deprecated'))`;
}

/** Of each of these packages the version that {@link hostFilter} found it for, the newest of several. */
export async function fittingVersions(
  session: Session,
  engine: SqlEngine,
  { packages, ranges }: { readonly packages: readonly number[]; readonly ranges: readonly string[] },
): Promise<ReadonlyMap<number, Version>> {
  const rows = await session
    .selectFrom("versions")
    .select(["package_id", "version", "status"])
    .where("package_id", "in", engine.ids(packages))
    .where("hosts", "in", engine.texts(ranges))
    .where("status", "in", ["active", "deprecated"])
    .execute();
  const byPackage = new Map<number, typeof rows>(packages.map((id) => [id, []]));
  for (const row of rows) byPackage.get(row.package_id)?.push(row);
  return new Map([...byPackage].map(([id, versions]) => [id, latestVersion(versions)!]));
}
