import Database from "better-sqlite3";
import { Kysely, SqliteDialect, sql, type SqliteDatabase, type SqliteStatement, type Transaction } from "kysely";
import { searchWords } from "../publication-rules.ts";
import { RegistryError } from "../registry-error.ts";
import { requireCurrentSchema } from "./migrations.ts";
import { runNow } from "./prepared.ts";
import type { SqlEngine, TextIndex } from "./sql-engine.ts";
import { WriteGroup } from "./sql-group.ts";
import { SqlMetadataStore } from "./sql-metadata-store.ts";
import { storageError } from "./storage-full.ts";
import type { Tables } from "./sql-schema.ts";
import { WriteQueue, type QueuedWrite } from "./write-queue.ts";

/** Oldest SQLite whose WAL is free of the reset race that could lose a commit. */
const MINIMUM_SQLITE = "3.51.3";

function isOlder(version: string, minimum: string): boolean {
  const left = version.split(".").map(Number);
  const right = minimum.split(".").map(Number);
  const at = right.findIndex((part, index) => part !== (left[index] ?? 0));
  return at !== -1 && (left[at] ?? 0) < right[at]!;
}

/**
 * Opens a SQLite database file with the settings that make a commit durable: WAL, `synchronous=FULL`,
 * foreign keys on.
 * @throws {RegistryError} `DATA_DIRECTORY_UNUSABLE`
 */
export function openDatabase(file: string): Database.Database {
  return opened(file, () => {
    const database = new Database(file);
    const version = String(database.prepare("select sqlite_version()").pluck().get());
    if (isOlder(version, MINIMUM_SQLITE)) throw new Error(`SQLite ${version} is older than ${MINIMUM_SQLITE}`);
    database.pragma("busy_timeout = 5000");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    return database;
  });
}

function opened(file: string, open: () => Database.Database): Database.Database {
  try {
    return open();
  } catch (cause) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_UNUSABLE",
      message: `Cannot open the registry's database "${file}": ${(cause as Error).message}`,
      hint: "Check that the directory exists, that you own it, and that the disk is not full",
      cause,
    });
  }
}

/** Words of a search as an FTS5 query: every word quoted (so that no operator of the user's is one), as a prefix, all required. */
export function ftsQuery(text: string): string | undefined {
  const words = searchWords(text);
  return words.length === 0 ? undefined : words.map((word) => `"${word.slice(0, 64)}"*`).join(" ");
}

/** Statements that are kept ready; the store has some sixty, and searches a few more. */
const PREPARED_MAX = 200;

/** The database as Kysely wants it, with statements that are prepared once. */
function withPreparedStatements(database: Database.Database): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>();
  return {
    prepare: (text) => {
      const known = prepared.get(text);
      if (known !== undefined) return known;
      if (prepared.size >= PREPARED_MAX) prepared.clear();
      const statement: SqliteStatement = database.prepare(text);
      prepared.set(text, statement);
      return statement;
    },
    close: () => database.close(),
  };
}

const TEXT_INDEX: TextIndex = {
  put: async (session, { id, name, title, keywords, description }) => {
    await sql`delete from package_search where rowid = ${id}`.execute(session);
    await sql`insert into package_search (rowid, name, title, keywords, description)
      values (${id}, ${name}, ${title}, ${keywords}, ${description})`.execute(session);
  },
  match: (text) => {
    const query = ftsQuery(text);
    if (query === undefined) return undefined;
    return {
      from: sql`package_search join packages on packages.id = package_search.rowid`,
      where: sql`package_search match ${query}`,
      order: sql`bm25(package_search, 10.0, 4.0, 5.0, 1.0)`,
    };
  },
};

/**
 * The database as Kysely; its prepared statements run at once while `isFree`, and those of its transactions at any time.
 */
function kyselyOf(database: Database.Database, isFree: () => boolean): Kysely<Tables> {
  const ready = withPreparedStatements(database);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: ready }) });
  runNow(db, (session, { sql: text, parameters }) => {
    if (!session.isTransaction && !isFree()) return undefined;
    const statement = ready.prepare(text);
    if (statement.reader) return statement.all(parameters);
    statement.run(parameters);
    return [];
  });
  return db;
}

/**
 * One SQLite file. Writes that come in together share a transaction and its sync. Reads have a connection of their own: they
 * see what is committed, and need not wait for the transaction that is under way.
 */
class SqliteEngine implements SqlEngine {
  readonly db: Kysely<Tables>;
  readonly text: TextIndex = TEXT_INDEX;
  readonly #database: Database.Database;
  readonly #writer: Kysely<Tables>;
  readonly #writes: WriteQueue<Transaction<Tables>> = new WriteQueue((group) => this.#commit(group));
  /** Snapshots that have begun, or wait for others to end: a read in one of them would see its moment, not its own. */
  #snapshots = 0;

  constructor(database: Database.Database, reader: Database.Database) {
    this.#database = database;
    // Nothing but its transactions uses it.
    this.#writer = kyselyOf(database, () => false);
    this.db = kyselyOf(reader, () => this.#snapshots === 0);
  }

  write<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return this.#writes.add(work);
  }

  async snapshot<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    this.#snapshots += 1;
    try {
      return await this.db.transaction().execute(work);
    } finally {
      this.#snapshots -= 1;
    }
  }

  ids(values: readonly number[]): ReturnType<SqlEngine["ids"]> {
    return sql<number>`(select value from json_each(${JSON.stringify(values)}))`;
  }

  texts(values: readonly string[]): ReturnType<SqlEngine["texts"]> {
    return sql<string>`(select value from json_each(${JSON.stringify(values)}))`;
  }

  async #commit(group: readonly QueuedWrite<Transaction<Tables>>[]): Promise<void> {
    const writes = new WriteGroup(group, () => !this.#database.inTransaction);
    try {
      await this.#writer.transaction().execute(async (session) => {
        // `begin` alone would take a snapshot at the first read and fail to become a writer if another process wrote
        // meanwhile; a write first takes the lock, and waits for it.
        await sql`update accounts set created = created where 0`.execute(session);
        await writes.run(session);
      });
    } catch (error) {
      writes.reject(error, (cause) => storageError(cause, "the disk of the registry"));
      return;
    }
    writes.settle();
  }

  // SQLite goes on from the highest id by itself.
  async continueCounters(): Promise<void> {}

  async check(): Promise<void> {
    if (!this.#database.open) throw new Error("the database is closed");
    await this.write(async () => {});
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.db.destroy();
    await this.#writer.destroy();
    if (this.#database.open) this.#database.close();
  }
}

/** A second connection to a database that is open, for reads alone. */
function openReader(file: string): Database.Database {
  return opened(file, () => {
    const database = new Database(file, { readonly: true });
    database.pragma("busy_timeout = 5000");
    return database;
  });
}

function openEngine(file: string, { maxPages }: { readonly maxPages?: number }): SqliteEngine {
  const database = openDatabase(file);
  try {
    if (maxPages !== undefined) database.pragma(`max_page_count = ${maxPages}`);
    requireCurrentSchema(database, file);
    return new SqliteEngine(database, openReader(file));
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The metadata store in one SQLite file. Writes that come in together share a transaction and its sync. */
export class SqliteMetadataStore extends SqlMetadataStore {
  /**
   * Opens `file`, creating it where it is missing. `maxPages` ends its growth, as a quota of the disk would.
   * @throws {RegistryError} `SCHEMA_TOO_OLD`, `SCHEMA_TOO_NEW`, `DATA_DIRECTORY_UNUSABLE`
   */
  constructor(file: string, options: { readonly maxPages?: number } = {}) {
    super(openEngine(file, options));
  }
}
