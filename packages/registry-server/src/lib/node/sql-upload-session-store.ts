import { createHash } from "node:crypto";
import type { Selectable, Transaction } from "kysely";
import type { AuditEntry } from "../records.ts";
import type {
  DeclaredUpload,
  OpenOutcome,
  UploadResult,
  UploadSession,
  UploadSessionStore,
} from "../uploads/upload-store.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

function toSession(row: Selectable<Tables["upload_sessions"]>): UploadSession {
  return {
    id: row.id,
    accountId: row.account_id,
    tree: row.tree,
    // Both were written by this class.
    declared: JSON.parse(row.declared) as DeclaredUpload,
    created: row.created,
    expires: row.expires,
    ...(row.result === null ? {} : { result: JSON.parse(row.result) as UploadResult }),
  };
}

async function knownSession(
  session: Transaction<Tables>,
  wanted: UploadSession & { readonly fingerprint: string },
  now: number,
): Promise<UploadSession | undefined> {
  const row = await session
    .selectFrom("upload_sessions")
    .selectAll()
    .where("account_id", "=", wanted.accountId)
    .where("tree", "=", wanted.tree)
    .where("fingerprint", "=", wanted.fingerprint)
    .where("expires", ">=", now)
    .where("result", "is", null)
    .executeTakeFirst();
  return row && toSession(row);
}

/** The {@link UploadSessionStore} in a table beside those of the metadata store. */
export class SqlUploadSessionStore implements UploadSessionStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async open(
    upload: UploadSession,
    limits: { readonly open: number; readonly now: number },
    audit: AuditEntry,
  ): Promise<OpenOutcome> {
    const declared = JSON.stringify(upload.declared);
    const fingerprint = createHash("sha256").update(declared).digest("hex");
    return this.#engine.write(async (session) => {
      const known = await knownSession(session, { ...upload, fingerprint }, limits.now);
      if (known !== undefined) {
        const expires = Math.max(known.expires, upload.expires);
        await session.updateTable("upload_sessions").set({ expires }).where("id", "=", known.id).execute();
        return { status: "known", session: { ...known, expires } };
      }
      const { found } = await session
        .selectFrom("upload_sessions")
        .select((eb) => eb.fn.countAll<number>().as("found"))
        .where("account_id", "=", upload.accountId)
        .where("expires", ">=", limits.now)
        .where("result", "is", null)
        .executeTakeFirstOrThrow();
      if (found >= limits.open) return { status: "too-many", found };
      await session
        .insertInto("upload_sessions")
        .values({
          id: upload.id,
          account_id: upload.accountId,
          tree: upload.tree,
          fingerprint,
          declared,
          size: upload.declared.size,
          created: upload.created,
          expires: upload.expires,
          result: null,
        })
        .execute();
      await record(session, audit);
      return { status: "created", session: upload };
    });
  }

  async session(id: string): Promise<UploadSession | undefined> {
    const row = await this.#engine.db.selectFrom("upload_sessions").selectAll().where("id", "=", id).executeTakeFirst();
    return row && toSession(row);
  }

  async prolong(id: string, expires: number): Promise<void> {
    await this.#engine.write((session) =>
      session
        .updateTable("upload_sessions")
        .set({ expires })
        .where("id", "=", id)
        .where("expires", "<", expires)
        .execute(),
    );
  }

  async finish(id: string, result: UploadResult): Promise<void> {
    await this.#engine.write((session) =>
      session
        .updateTable("upload_sessions")
        .set({ result: JSON.stringify(result) })
        .where("id", "=", id)
        .where("result", "is", null)
        .execute(),
    );
  }

  async end(id: string, expires: number, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const { numUpdatedRows } = await session
        .updateTable("upload_sessions")
        .set({ expires })
        .where("id", "=", id)
        .where("expires", ">", expires)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await record(session, audit);
      return true;
    });
  }

  async remove(id: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const { numDeletedRows } = await session.deleteFrom("upload_sessions").where("id", "=", id).executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await record(session, audit);
      return true;
    });
  }

  async expired(now: number, limit: number): Promise<readonly string[]> {
    const rows = await this.#engine.db
      .selectFrom("upload_sessions")
      .select("id")
      .where("expires", "<", now)
      .orderBy("expires")
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  }
}
