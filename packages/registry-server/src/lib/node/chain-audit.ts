import type Database from "better-sqlite3";
import type { Selectable } from "kysely";
import { CHAIN_START, chainHash } from "../governance/audit-trail.ts";
import { contentOf } from "./sql-audit.ts";
import type { Tables } from "./sql-schema.ts";

const BATCH = 1000;

/** Chains the records of a registry whose audit trail was none, in their order. */
export function chainAudit(database: Database.Database): void {
  const select = database.prepare("select * from audit where id > ? order by id limit ?");
  const update = database.prepare("update audit set previous = ?, hash = ? where id = ?");
  let [last, previous] = [0, CHAIN_START];
  for (;;) {
    const rows = select.all(last, BATCH) as Selectable<Tables["audit"]>[];
    if (rows.length === 0) return;
    for (const row of rows) {
      const hash = chainHash(previous, contentOf(row));
      update.run(previous, hash, row.id);
      [last, previous] = [row.id, hash];
    }
  }
}
