import type { Kysely, Transaction } from "kysely";
import type { AuditEntry } from "../records.ts";
import type { Tables } from "./sql-schema.ts";

/** Writes the audit record of a change, in the change's own transaction. */
export async function record(session: Kysely<Tables> | Transaction<Tables>, entry: AuditEntry): Promise<void> {
  await session
    .insertInto("audit")
    .values({
      at: entry.at,
      actor: entry.actor,
      action: entry.action,
      package: entry.package ?? null,
      version: entry.version ?? null,
      details: JSON.stringify(entry.details),
      trace_id: entry.traceId ?? null,
      address: entry.address ?? null,
    })
    .execute();
}
