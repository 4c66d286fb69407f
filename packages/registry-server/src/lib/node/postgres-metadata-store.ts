import { Kysely, PostgresDialect, sql, type PostgresPool, type Transaction } from "kysely";
import { setTimeout as delay } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { searchWords } from "../publication-rules.ts";
import { RegistryError } from "../registry-error.ts";
import { LOCK_SPACE, migratePostgres, requirePostgresSchema } from "./postgres-migrations.ts";
import {
  createPool,
  databaseError,
  isConnectionLost,
  isTransient,
  parsePostgresUrl,
  type PostgresAddress,
} from "./postgres-pool.ts";
import type { SqlEngine, TextIndex } from "./sql-engine.ts";
import { WriteGroup } from "./sql-group.ts";
import { SqlMetadataStore } from "./sql-metadata-store.ts";
import type { Tables } from "./sql-schema.ts";
import { WriteQueue, type QueuedWrite } from "./write-queue.ts";

const CONNECTIONS = 10;
const ATTEMPTS = 4;
const RETRY_MS = 50;
// A row of tsvector holds a megabyte at most.
const DESCRIPTION_MAX = 50_000;

/** Channel on which commits of a schema are told; names of channels have 63 bytes at most. */
export function channelOf(schema: string): string {
  return `lading_${schema}`.slice(0, 63);
}

/** Words as they are indexed and searched: no accents, lower case, nothing but letters and digits. */
function plainWords(text: string): string {
  return (
    text
      .normalize("NFKD")
      .replaceAll(/\p{M}/gu, "")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu)
      ?.join(" ") ?? ""
  );
}

const weighed = (text: string, weight: string) =>
  sql`setweight(to_tsvector('lading', ${plainWords(text)}), ${sql.lit(weight)})`;

const TEXT_INDEX: TextIndex = {
  put: async (session, { id, name, title, keywords, description }) => {
    await sql`insert into package_search (package_id, words) values (${id}, ${weighed(name, "A")} ||
      ${weighed(keywords, "B")} || ${weighed(title, "C")} || ${weighed(description.slice(0, DESCRIPTION_MAX), "D")})
      on conflict (package_id) do update set words = excluded.words`.execute(session);
  },
  match: (text) => {
    const words = searchWords(plainWords(text));
    if (words.length === 0) return undefined;
    const query = sql`to_tsquery('lading', ${words.map((word) => `${word.slice(0, 64)}:*`).join(" & ")})`;
    return {
      from: sql`package_search join packages on packages.id = package_search.package_id`,
      where: sql`package_search.words @@ ${query}`,
      order: sql`ts_rank('{0.1, 0.4, 0.5, 1.0}', package_search.words, ${query}) desc`,
    };
  },
};

/** Connections whose errors are the registry's own. */
function tellingPool(pool: Pool, address: PostgresAddress): PostgresPool {
  const told = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work;
    } catch (error) {
      throw databaseError(error, address);
    }
  };
  return {
    connect: async () => {
      const client = await told(connect(pool));
      return {
        query: (text: string, parameters: readonly unknown[]) => told(client.query(text, parameters as unknown[])),
        release: () => client.release(),
      } as unknown as Awaited<ReturnType<PostgresPool["connect"]>>;
    },
    end: () => pool.end(),
    options: pool.options,
  };
}

/** A connection; a database that restarts is waited for, for a moment. */
async function connect(pool: Pool): Promise<PoolClient> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await pool.connect();
    } catch (error) {
      if (attempt === ATTEMPTS || !isConnectionLost(error)) throw error;
      await delay(RETRY_MS * 2 ** attempt);
    }
  }
}

/** Whether the same transaction, which was undone, may work when it is tried again. */
function mayWorkAgain(error: unknown): boolean {
  const root = error instanceof RegistryError && error.cause !== undefined ? error.cause : error;
  return isConnectionLost(root) || isTransient(root);
}

/** A schema of a PostgreSQL database that several servers may use. Writes that come in together share a transaction. */
class PostgresEngine implements SqlEngine {
  readonly db: Kysely<Tables>;
  readonly text: TextIndex = TEXT_INDEX;
  readonly #writes: WriteQueue<Transaction<Tables>> = new WriteQueue((group) => this.#commit(group));
  readonly #channel: string;

  constructor(pool: Pool, address: PostgresAddress, schema: string) {
    this.db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: tellingPool(pool, address) }) });
    this.#channel = channelOf(schema);
  }

  write<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return this.#writes.add(work);
  }

  snapshot<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return this.db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only").execute(work);
  }

  ids(values: readonly number[]): ReturnType<SqlEngine["ids"]> {
    return sql<number>`(select unnest(${values}::bigint[]))`;
  }

  texts(values: readonly string[]): ReturnType<SqlEngine["texts"]> {
    return sql<string>`(select unnest(${values}::text[]))`;
  }

  async #commit(group: readonly QueuedWrite<Transaction<Tables>>[]): Promise<void> {
    const writes = new WriteGroup(group, mayWorkAgain);
    for (let attempt = 1; ; attempt += 1) {
      const progress = { sent: false };
      try {
        await this.#transaction(writes, progress);
        break;
      } catch (error) {
        // Once the commit is sent, a broken connection does not tell whether it was done.
        if (!progress.sent && attempt < ATTEMPTS && mayWorkAgain(writes.cause(error))) {
          await delay(RETRY_MS * 2 ** attempt);
          continue;
        }
        writes.reject(error);
        return;
      }
    }
    writes.settle();
  }

  async #transaction(writes: WriteGroup, progress: { sent: boolean }): Promise<void> {
    await this.db.transaction().execute(async (session) => {
      // Indices of the log have no gaps and no two versions of one number, whatever the number of servers: they take
      // turns. The lock ends with the transaction, and that with its connection.
      await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_SPACE)}, hashtext('write ' || current_schema()))`.execute(
        session,
      );
      await writes.run(session);
      // Told to the other servers by the commit, or not at all.
      await sql`select pg_notify(${this.#channel}, '')`.execute(session);
      progress.sent = true;
    });
  }

  async continueCounters(session: Transaction<Tables>): Promise<void> {
    for (const table of ["packages", "versions", "artifacts", "outbox", "audit"] as const) {
      await sql`select setval(pg_get_serial_sequence(${sql.lit(table)}, 'id'), coalesce(max(id), 0) + 1, false)
        from ${sql.table(table)}`.execute(session);
    }
  }

  async check(): Promise<void> {
    const { rows } = await sql<{ standby: boolean }>`select pg_is_in_recovery() as standby`.execute(this.db);
    if (rows[0]?.standby === true) throw new Error("the database is a standby, which takes no writes");
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.db.destroy();
  }
}

function badUrl(): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: "Cannot use the database's URL: allowed is postgresql://user:password@host:port/database",
  });
}

async function openPool(
  url: string,
  connections: number,
): Promise<{ readonly pool: Pool; readonly address: PostgresAddress; readonly client: PoolClient }> {
  const address = parsePostgresUrl(url);
  if (address === undefined) throw badUrl();
  const pool = await createPool(address, connections);
  try {
    return { pool, address, client: await connect(pool) };
  } catch (cause) {
    await pool.end();
    throw new RegistryError({
      code: "DATABASE_UNUSABLE",
      message: `Cannot open ${address.shown}: ${(cause as Error).message || (cause as { code?: string }).code}`,
      hint: "Check DATABASE_URL, and that the database runs and lets this user in",
      cause,
    });
  }
}

/**
 * Brings a database to this release's schema.
 * @returns names of the steps that were applied
 * @throws {RegistryError} `DATABASE_UNUSABLE`, `SCHEMA_TOO_NEW`
 */
export async function migrateDatabase(url: string): Promise<string[]> {
  const { pool, address, client } = await openPool(url, 1);
  try {
    return await migratePostgres(client, address.shown);
  } catch (error) {
    throw databaseError(error, address);
  } finally {
    client.release();
    await pool.end();
  }
}

/** The metadata store in a schema of a PostgreSQL database (15 or later), which several servers may use at once. */
export class PostgresMetadataStore extends SqlMetadataStore {
  /** Connections of this store, for what several servers must agree on. */
  readonly pool: Pool;
  /** The database's schema. */
  readonly schema: string;
  readonly address: PostgresAddress;

  private constructor(pool: Pool, address: PostgresAddress, schema: string) {
    super(new PostgresEngine(pool, address, schema));
    this.pool = pool;
    this.schema = schema;
    this.address = address;
  }

  /**
   * Opens the database at `url`; an empty one gets the schema.
   * @throws {RegistryError} `DATABASE_UNUSABLE`, `SCHEMA_TOO_OLD`, `SCHEMA_TOO_NEW`
   */
  static async open(url: string, options: { readonly connections?: number } = {}): Promise<PostgresMetadataStore> {
    const { pool, address, client } = await openPool(url, options.connections ?? CONNECTIONS);
    try {
      await requireUsable(client, address);
      await requirePostgresSchema(client, address.shown);
      const { rows } = await client.query<{ schema: string }>("select current_schema() as schema");
      client.release();
      return new PostgresMetadataStore(pool, address, rows[0]!.schema);
    } catch (error) {
      client.release();
      await pool.end();
      throw databaseError(error, address);
    }
  }
}

/** Makes a schema where there is none, also where several servers do at once. */
export async function createSchema(url: string, schema: string): Promise<void> {
  const { pool, address, client } = await openPool(url, 1);
  try {
    await client.query(`create schema if not exists ${client.escapeIdentifier(schema)}`);
  } catch (error) {
    // Another server was faster.
    if (!["23505", "42P06"].includes((error as { code?: string }).code ?? "")) throw databaseError(error, address);
  } finally {
    client.release();
    await pool.end();
  }
}

/** Oldest server that the suites run against. */
const MINIMUM_VERSION = 150_000;

async function requireUsable(client: PoolClient, address: PostgresAddress): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string; schema: string | null }>(
    `select current_setting('server_version_num')::integer as version, current_setting('server_encoding') as encoding,
     current_schema() as schema`,
  );
  const { version, encoding, schema } = rows[0]!;
  const problem =
    version < MINIMUM_VERSION
      ? `it is version ${Math.floor(version / 10_000)}, needed is 15 or later`
      : encoding !== "UTF8"
        ? `its encoding is ${encoding}, needed is UTF8`
        : schema === null
          ? "its search_path names no schema that exists"
          : undefined;
  if (problem === undefined) return;
  throw new RegistryError({
    code: "DATABASE_UNUSABLE",
    message: `Cannot use ${address.shown}: ${problem}`,
    hint: "Make a database with encoding UTF8 in PostgreSQL 15 or later, owned by the user that DATABASE_URL names",
  });
}
