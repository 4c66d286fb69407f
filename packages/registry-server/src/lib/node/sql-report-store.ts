import { sql } from "kysely";
import type { CanonicalName, PublishedManifest } from "@lading/core-manifest";
import {
  dayOf,
  type LicensedVersion,
  type PackageUsage,
  type ReportStore,
  type UsageQuery,
} from "../reports/report-store.ts";
import type { SqlEngine } from "./sql-engine.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The {@link ReportStore} over the tables of the metadata store. */
export class SqlReportStore implements ReportStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async usage({ packages, first, last }: UsageQuery): Promise<readonly PackageUsage[]> {
    const { db } = this.#engine;
    const named = sql`packages.canonical in ${this.#engine.texts(packages)}`;
    const { rows: totals } = await sql<{ canonical: string; versions: number; bytes: number }>`
      select packages.canonical, count(distinct versions.id) as versions, cast(coalesce(sum(artifacts.size), 0) as bigint) as bytes
      from packages left join versions on versions.package_id = packages.id
        left join artifacts on artifacts.version_id = versions.id
      where ${named} group by packages.canonical`.execute(db);
    const { rows: days } = await sql<{ canonical: string; day: number; count: number }>`
      select packages.canonical, download_days.day, download_days.count
      from download_days join packages on packages.id = download_days.package_id
      where ${named} and day >= ${first} and day <= ${last} order by day`.execute(db);
    const { rows: publishers } = await sql<{ canonical: string; username: string; versions: number }>`
      select packages.canonical, versions.publisher as username, count(*) as versions
      from versions join packages on packages.id = versions.package_id
      where ${named} and versions.published >= ${first * DAY_MS} and versions.published < ${(last + 1) * DAY_MS}
      group by packages.canonical, versions.publisher`.execute(db);
    const of = <Row extends { readonly canonical: string }>(rows: readonly Row[], name: string): Row[] =>
      rows.filter(({ canonical }) => canonical === name);
    const found = totals.map(({ canonical, versions, bytes }) => ({
      package: canonical as CanonicalName,
      downloads: of(days, canonical).map(({ day, count }) => ({ day, count })),
      publishers: of(publishers, canonical)
        .map(({ username, versions: published }) => ({ username, versions: published }))
        .sort((left, right) => (left.username < right.username ? -1 : 1)),
      versions,
      bytes,
    }));
    return found.sort((left, right) => (left.package < right.package ? -1 : 1));
  }

  async packagesOf(
    organisationId: string,
  ): Promise<readonly { readonly package: CanonicalName; readonly teams: readonly string[] }[]> {
    const { rows } = await sql<{ canonical: string; team: string | null }>`
      select packages.canonical, null as team from packages
        join namespaces on namespaces.name = packages.namespace where namespaces.organisation_id = ${organisationId}
      union select packages.canonical, teams.name as team from packages
        join owner_teams on owner_teams.package_id = packages.id join teams on teams.id = owner_teams.team_id
        where teams.organisation_id = ${organisationId}`.execute(this.#engine.db);
    const teams = new Map<string, string[]>();
    for (const { canonical, team } of rows)
      teams.set(canonical, [...(teams.get(canonical) ?? []), ...(team === null ? [] : [team])]);
    return [...teams]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, own]) => ({ package: name as CanonicalName, teams: own.sort() }));
  }

  async licensedVersions(after: number, limit: number): Promise<readonly LicensedVersion[]> {
    const rows = await this.#engine.db
      .selectFrom("versions")
      .innerJoin("packages", "packages.id", "versions.package_id")
      .select(["versions.id", "packages.canonical", "versions.version", "versions.manifest", "versions.published"])
      .where("versions.id", ">", after)
      .orderBy("versions.id")
      .limit(limit)
      .execute();
    return rows.map(({ id, canonical, version, manifest, published }) => {
      const { license } = JSON.parse(manifest) as PublishedManifest;
      const stated = license === undefined ? {} : { license };
      return { id, package: canonical as CanonicalName, version, ...stated, published };
    });
  }
}

/** Adds to a day's downloads of the package that has a blob; nothing where none has it. */
export async function countDay(
  session: Parameters<Parameters<SqlEngine["write"]>[0]>[0],
  { blob, count, at }: { readonly blob: string; readonly count: number; readonly at: number },
): Promise<void> {
  await sql`insert into download_days (package_id, day, count)
    select versions.package_id, ${sql.lit(dayOf(at))}, ${sql.lit(count)}
    from (select version_id from artifacts where blob = ${blob} limit 1) as found
      join versions on versions.id = found.version_id where 1 = 1
    on conflict (package_id, day) do update set count = download_days.count + excluded.count`.execute(session);
}
