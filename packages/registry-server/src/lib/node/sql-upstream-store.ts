import { sql, type Selectable, type Transaction } from "kysely";
import { parseDigest } from "@lading/core-manifest";
import type { AuditEntry } from "../records.ts";
import type { AgeException, UpstreamFile, UpstreamStore, UpstreamUpdate } from "../upstream/upstream-store.ts";
import { record } from "./sql-audit.ts";
import { appendEntry } from "./sql-packages.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

/** Rows that are written with one statement. */
const AT_ONCE = 100;

function toFile(row: Selectable<Tables["upstream_files"]>): UpstreamFile {
  return {
    path: row.path,
    digest: parseDigest(row.digest),
    held: row.held === 1,
    ...(row.package === null ? {} : { package: row.package }),
    ...(row.version === null ? {} : { version: row.version }),
    published: row.published,
  };
}

function parts<Item>(items: readonly Item[]): Item[][] {
  const found: Item[][] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) found.push(items.slice(at, at + AT_ONCE));
  return found;
}

async function putFiles(session: Transaction<Tables>, upstream: string, files: readonly UpstreamFile[]): Promise<void> {
  // One statement must not write a row twice: the last of a path is the one that is meant.
  const last = [...new Map(files.map((file) => [file.path, file])).values()];
  for (const some of parts(last)) {
    const rows = some.map((file) => ({
      upstream,
      path: file.path,
      digest: file.digest as string,
      held: file.held ? 1 : 0,
      package: file.package ?? null,
      version: file.version ?? null,
      published: file.published,
      superseded: null,
    }));
    await session
      .insertInto("upstream_files")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["upstream", "path"]).doUpdateSet({
          digest: sql`excluded.digest`,
          held: sql`case when excluded.digest = upstream_files.digest and upstream_files.held = 1 then 1 else excluded.held end`,
          package: sql`excluded.package`,
          version: sql`excluded.version`,
          published: sql`excluded.published`,
          superseded: sql`excluded.superseded`,
        }),
      )
      .execute();
  }
}

async function dropFiles(session: Transaction<Tables>, update: UpstreamUpdate): Promise<void> {
  const { upstream, removed = [], superseded = [], at, forgetBefore } = update;
  const own = session.updateTable("upstream_files").where("upstream", "=", upstream);
  for (const some of parts(superseded))
    await own.set({ superseded: at }).where("path", "in", some).where("superseded", "is", null).execute();
  const gone = session.deleteFrom("upstream_files").where("upstream", "=", upstream);
  for (const some of parts(removed)) await gone.where("path", "in", some).execute();
  if (forgetBefore !== undefined) await gone.where("superseded", "<", forgetBefore).execute();
}

/** The {@link UpstreamStore} in tables beside those of the metadata store. */
export class SqlUpstreamStore implements UpstreamStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async state(upstream: string): Promise<string | undefined> {
    const row = await this.#engine.db
      .selectFrom("upstream_states")
      .select("state")
      .where("upstream", "=", upstream)
      .executeTakeFirst();
    return row?.state;
  }

  async file(upstream: string, path: string): Promise<UpstreamFile | undefined> {
    const row = await this.#engine.db
      .selectFrom("upstream_files")
      .selectAll()
      .where("upstream", "=", upstream)
      .where("path", "=", path)
      .executeTakeFirst();
    return row && toFile(row);
  }

  async files(upstream: string, prefix: string): Promise<readonly UpstreamFile[]> {
    // Databases differ in what `like` ignores.
    const rows = await this.#engine.db
      .selectFrom("upstream_files")
      .selectAll()
      .where("upstream", "=", upstream)
      .where(sql<boolean>`substr(path, 1, ${sql.lit(prefix.length)}) = ${prefix}`)
      .where("superseded", "is", null)
      .execute();
    return rows.map(toFile).sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  async update(update: UpstreamUpdate): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const { upstream, state, put } = update;
      if (state !== undefined) {
        const row = await session
          .selectFrom("upstream_states")
          .select("state")
          .where("upstream", "=", upstream)
          .executeTakeFirst();
        if (row?.state !== state.follows) return false;
        await session
          .insertInto("upstream_states")
          .values({ upstream, state: state.text })
          .onConflict((conflict) => conflict.column("upstream").doUpdateSet({ state: state.text }))
          .execute();
      }
      await putFiles(session, upstream, put);
      await dropFiles(session, update);
      return true;
    });
  }

  async grant(exception: AgeException, audit: AuditEntry, entry?: Uint8Array): Promise<void> {
    const { upstream, version, reason, by, created, expires } = exception;
    await this.#engine.write(async (session) => {
      await session
        .insertInto("upstream_exceptions")
        .values({ upstream, package: exception.package, version, reason, granted_by: by, created, expires })
        .onConflict((conflict) =>
          conflict
            .columns(["upstream", "package", "version"])
            .doUpdateSet({ reason, granted_by: by, created, expires }),
        )
        .execute();
      if (entry !== undefined) await appendEntry(session, entry);
      await record(session, audit);
    });
  }

  async revoke(wanted: Pick<AgeException, "upstream" | "package" | "version">, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const { numDeletedRows } = await session
        .deleteFrom("upstream_exceptions")
        .where("upstream", "=", wanted.upstream)
        .where("package", "=", wanted.package)
        .where("version", "=", wanted.version)
        .executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await record(session, audit);
      return true;
    });
  }

  async exceptions(): Promise<readonly AgeException[]> {
    const rows = await this.#engine.db
      .selectFrom("upstream_exceptions")
      .selectAll()
      .orderBy("upstream")
      .orderBy("package")
      .orderBy("version")
      .execute();
    return rows.map(({ granted_by: by, ...rest }) => ({ ...rest, by }));
  }
}
