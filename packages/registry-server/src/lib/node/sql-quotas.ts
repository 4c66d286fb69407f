import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import { splitName, type CanonicalName } from "@lading/core-manifest";
import type { Publication } from "../publication.ts";
import {
  addedBy,
  requireRoom,
  type QuotaLimits,
  type QuotaRecord,
  type QuotaStore,
  type Usage,
  type UsageScope,
} from "../quotas/quota.ts";
import type { AuditEntry } from "../records.ts";
import { Prepared } from "./prepared.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { present } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

// Most registries have none, and this is asked at every publication.
const ANY_LIMITS = new Prepared<object, { subject: string }>((db) =>
  db.selectFrom("quotas").select("subject").limit(1),
);

/** Which versions count, as a condition on `versions` and `packages`. */
function ofScope(scope: UsageScope, engine: Pick<SqlEngine, "texts">): RawBuilder<boolean> {
  switch (scope.kind) {
    case "registry":
      return sql`1 = 1`;
    case "package":
      return sql`packages.canonical = ${scope.canonical}`;
    case "user":
      return sql`versions.publisher = ${scope.username}`;
    case "organisation":
      return sql`packages.namespace in ${engine.texts(scope.namespaces)}`;
  }
}

interface Counted {
  readonly packages: number | string;
  readonly versions: number | string;
  readonly bytes: number | string | null;
}

// Versions whose files may be deleted are not counted.
function countedVersions(scope: UsageScope, engine: Pick<SqlEngine, "texts">): RawBuilder<unknown> {
  return sql`from versions join packages on packages.id = versions.package_id
      join artifacts on artifacts.version_id = versions.id
    where ${ofScope(scope, engine)} and (versions.removal is null or versions.removal not like '%"purge":true%')`;
}

async function published(session: Session, scope: UsageScope, engine: Pick<SqlEngine, "texts">): Promise<Usage> {
  const { rows } = await sql<Counted>`select count(distinct versions.package_id) as packages,
      count(distinct versions.id) as versions, sum(artifacts.size) as bytes ${countedVersions(scope, engine)}`.execute(
    session,
  );
  const { packages, versions, bytes } = rows[0]!;
  return { packages: Number(packages), versions: Number(versions), bytes: Number(bytes ?? 0) };
}

interface Submitted {
  readonly canonical: string;
  readonly size: number;
}

/** Publications that wait for a reviewer or were rejected; their files are stored. */
async function submitted(session: Session, scope: UsageScope): Promise<readonly Submitted[]> {
  const rows = await session
    .selectFrom("reviews")
    .select(["publication", "canonical"])
    .where("state", "!=", "published")
    .$if(scope.kind === "user", (query) =>
      query.where("account_id", "=", (scope as { readonly accountId: string }).accountId),
    )
    .$if(scope.kind === "package", (query) =>
      query.where("canonical", "=", (scope as { readonly canonical: string }).canonical),
    )
    .execute();
  const namespaces = scope.kind === "organisation" ? scope.namespaces : undefined;
  return rows
    .filter(({ canonical }) => namespaces === undefined || namespaces.includes(namespaceOf(canonical)))
    .map(({ canonical, publication }) => {
      const { size } = (JSON.parse(publication) as Pick<Publication, "artifact">).artifact;
      return { canonical, size };
    });
}

/** How many packages were submitted and have nothing else that counts in `scope`. */
async function newNames(
  session: Session,
  scope: UsageScope,
  { engine, waiting }: { readonly engine: Pick<SqlEngine, "texts">; readonly waiting: readonly Submitted[] },
): Promise<number> {
  const names = [...new Set(waiting.map(({ canonical }) => canonical))];
  if (names.length === 0) return 0;
  const { rows } = await sql<{ readonly known: number | string }>`select count(distinct packages.id) as known
    ${countedVersions(scope, engine)} and packages.canonical in ${engine.texts(names)}`.execute(session);
  return names.length - Number(rows[0]!.known);
}

function namespaceOf(canonical: string): string {
  return splitName(canonical as CanonicalName).namespace ?? "";
}

/** How much is stored of what `scope` names. */
export async function usageIn(session: Session, scope: UsageScope, engine: Pick<SqlEngine, "texts">): Promise<Usage> {
  return usageWith(session, scope, { engine, waiting: await submitted(session, scope) });
}

async function usageWith(
  session: Session,
  scope: UsageScope,
  { engine, waiting }: { readonly engine: Pick<SqlEngine, "texts">; readonly waiting: readonly Submitted[] },
): Promise<Usage> {
  const usage = await published(session, scope, engine);
  return {
    packages: usage.packages + (await newNames(session, scope, { engine, waiting })),
    versions: usage.versions + waiting.length,
    bytes: usage.bytes + waiting.reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * Demands in the transaction of a publication that there is room for it.
 * @throws {RegistryError} `QUOTA_EXCEEDED`, which ends the transaction
 */
export async function requireRoomIn(
  session: Transaction<Tables>,
  { quotas = [], artifact, ...what }: Publication,
  { engine }: { readonly engine: Pick<SqlEngine, "texts"> },
): Promise<void> {
  if (quotas.length === 0) return;
  const known = await session
    .selectFrom("versions")
    .innerJoin("packages", "packages.id", "versions.package_id")
    .select("version")
    .where("packages.canonical", "=", what.canonical)
    .execute();
  const newVersion = known.every(({ version }) => version !== what.version);
  for (const check of quotas) {
    const waiting = await submitted(session, check.scope);
    const newPackage = known.length === 0 && waiting.every(({ canonical }) => canonical !== what.canonical);
    const usage = await usageWith(session, check.scope, { engine, waiting });
    requireRoom(what, check, { usage, added: addedBy(artifact.size, { newPackage, newVersion }) });
  }
}

function toRecord({ subject, ...limits }: Tables["quotas"]): QuotaRecord {
  return { subject, limits: present(limits) };
}

/** The {@link QuotaStore} in a table beside those of the metadata store. */
export class SqlQuotaStore implements QuotaStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async limits(subjects: readonly string[]): Promise<readonly QuotaRecord[]> {
    if ((await ANY_LIMITS.first(this.#engine.db, {})) === undefined) return [];
    const rows = await this.#engine.db
      .selectFrom("quotas")
      .selectAll()
      .where("subject", "in", this.#engine.texts(subjects))
      .execute();
    return rows.map(toRecord);
  }

  async all(): Promise<readonly QuotaRecord[]> {
    const rows = await this.#engine.db.selectFrom("quotas").selectAll().execute();
    return rows.map(toRecord).sort((left, right) => (left.subject < right.subject ? -1 : 1));
  }

  async set(subject: string, limits: QuotaLimits | undefined, audit: AuditEntry): Promise<void> {
    await this.#engine.write(async (session) => {
      await session.deleteFrom("quotas").where("subject", "=", subject).execute();
      if (limits !== undefined) {
        const { packages = null, versions = null, bytes = null } = limits;
        await session.insertInto("quotas").values({ subject, packages, versions, bytes }).execute();
      }
      await record(session, audit);
    });
  }
}
