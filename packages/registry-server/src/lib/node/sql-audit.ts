import type { Kysely, Selectable, SelectQueryBuilder, Transaction } from "kysely";
import {
  CHAIN_START,
  auditContent,
  chainHash,
  isSealDue,
  type AuditContent,
  type AuditFilter,
  type AuditHead,
  type AuditTrailStore,
  type ChainedRecord,
  type SealedHead,
} from "../governance/audit-trail.ts";
import type { AuditEntry } from "../records.ts";
import { auditHeadEntry } from "../trust/log-entries.ts";
import { Prepared } from "./prepared.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { appendEntry } from "./sql-packages.ts";
import { present } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type AuditRow = Selectable<Tables["audit"]>;

const BATCH = 1000;

// A record without a hash is none of the server's: it stays outside of the chain, for the check to find.
const LAST_HASH = new Prepared<object, { hash: string | null }>((db) =>
  db.selectFrom("audit").select("hash").where("hash", "is not", null).orderBy("id", "desc").limit(1),
);
const INSERT = new Prepared<Omit<AuditRow, "id">, unknown>((db, place) =>
  db.insertInto("audit").values({
    at: place("at"),
    actor: place("actor"),
    action: place("action"),
    package: place("package"),
    version: place("version"),
    details: place("details"),
    trace_id: place("trace_id"),
    address: place("address"),
    previous: place("previous"),
    hash: place("hash"),
  }),
);

/** What a row says of the change that it records. */
export function contentOf(row: Omit<AuditRow, "id" | "previous" | "hash">): AuditContent {
  return {
    at: row.at,
    actor: row.actor,
    action: row.action,
    details: row.details,
    ...present({ package: row.package, version: row.version, traceId: row.trace_id, address: row.address }),
  };
}

async function lastChained(session: Session): Promise<{ readonly id: number; readonly hash: string }> {
  const row = await session
    .selectFrom("audit")
    .select(["id", "hash"])
    .where("hash", ">", "")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? { id: 0, hash: CHAIN_START } : { id: row.id, hash: row.hash! };
}

/**
 * Chains the records that a release without a chain wrote after the last one that is chained.
 * @returns hash of the last one
 */
export async function chainWaiting(session: Session): Promise<string> {
  let { id, hash } = await lastChained(session);
  for (;;) {
    const rows = await session
      .selectFrom("audit")
      .selectAll()
      .where("id", ">", id)
      .where("hash", "=", "")
      .orderBy("id")
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return hash;
    for (const row of rows) {
      const next = chainHash(hash, contentOf(row));
      await session.updateTable("audit").set({ previous: hash, hash: next }).where("id", "=", row.id).execute();
      [id, hash] = [row.id, next];
    }
  }
}

async function hashBefore(session: Session): Promise<string> {
  const last = await LAST_HASH.first(session, {});
  if (last === undefined) return CHAIN_START;
  return last.hash === "" ? chainWaiting(session) : last.hash!;
}

/**
 * Writes the audit record of a change, in the change's own transaction, chained to the one before it: writers take turns, so
 * that there is one last record.
 */
export async function record(session: Session, entry: AuditEntry): Promise<void> {
  const content = auditContent(entry);
  const previous = await hashBefore(session);
  await INSERT.all(session, {
    at: content.at,
    actor: content.actor,
    action: content.action,
    package: content.package ?? null,
    version: content.version ?? null,
    details: content.details,
    trace_id: content.traceId ?? null,
    address: content.address ?? null,
    previous,
    hash: chainHash(previous, content),
  });
}

/** The rows of the trail that a filter names. */
export function auditRows(session: Session, filter: AuditFilter): SelectQueryBuilder<Tables, "audit", object> {
  return session
    .selectFrom("audit")
    .$if(filter.actor !== undefined, (rows) => rows.where("actor", "=", filter.actor!))
    .$if(filter.action !== undefined, (rows) => rows.where("action", "=", filter.action!))
    .$if(filter.package !== undefined, (rows) => rows.where("package", "=", filter.package!))
    .$if(filter.since !== undefined, (rows) => rows.where("at", ">=", filter.since!))
    .$if(filter.until !== undefined, (rows) => rows.where("at", "<=", filter.until!));
}

async function sealState(
  session: Session,
): Promise<{ readonly last: AuditHead | undefined; readonly sealed: AuditHead | undefined; readonly sinceMs: number }> {
  const { id, hash } = await lastChained(session);
  const sealed = await session
    .selectFrom("audit_heads")
    .selectAll()
    .orderBy("leaf", "desc")
    .limit(1)
    .executeTakeFirst();
  const first = await session.selectFrom("audit").select("at").orderBy("id").limit(1).executeTakeFirst();
  return { last: id === 0 ? undefined : { record: id, hash }, sealed, sinceMs: sealed?.at ?? first?.at ?? 0 };
}

/** The {@link AuditTrailStore} over the tables of the metadata store. */
export class SqlAuditTrailStore implements AuditTrailStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async records(filter: AuditFilter, after: number, limit: number): Promise<readonly ChainedRecord[]> {
    const rows = await auditRows(this.#engine.db, filter)
      .selectAll()
      .where("id", ">", after)
      .orderBy("id")
      .limit(limit)
      .execute();
    return rows.map((row) => ({
      id: row.id,
      ...contentOf(row),
      ...present({ previous: row.previous, hash: row.hash }),
    }));
  }

  async recordOf(hash: string): Promise<number | undefined> {
    const row = await this.#engine.db
      .selectFrom("audit")
      .select("id")
      .where("hash", "=", hash)
      .limit(1)
      .executeTakeFirst();
    return row?.id;
  }

  async seal(options: { readonly at: number; readonly intervalMs: number }): Promise<SealedHead | undefined> {
    // First without taking a turn among the writers, for it is seldom due.
    if (!isSealDue(await sealState(this.#engine.db), options)) return undefined;
    return this.#engine.write(async (session) => {
      const state = await sealState(session);
      if (state.last === undefined || !isSealDue(state, options)) return undefined;
      const leaf = await appendEntry(session, auditHeadEntry(state.last, options.at));
      await session
        .insertInto("audit_heads")
        .values({ leaf, ...state.last, at: options.at })
        .execute();
      return { leaf, ...state.last };
    });
  }
}
