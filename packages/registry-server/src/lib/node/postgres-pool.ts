import type pg from "pg";
import { RegistryError } from "../registry-error.ts";
import { storageError } from "./storage-full.ts";

const INT8 = 20;

/** How long a connection may take, and a statement, a lock, and a transaction that says nothing. */
const TIMEOUTS = {
  connectionTimeoutMillis: 10_000,
  statement_timeout: 60_000,
  lock_timeout: 30_000,
  // A server that hangs in a transaction holds up every other: the database ends it.
  idle_in_transaction_session_timeout: 30_000,
} as const;

/** Where a PostgreSQL database is, with and without what is secret. */
export interface PostgresAddress {
  readonly url: string;
  /** For messages: host, port and database. */
  readonly shown: string;
}

/** Reads `postgresql://…`; a driver's name in the scheme, as in `postgresql+asyncpg://`, is passed over. `undefined`: it is none. */
export function parsePostgresUrl(text: string): PostgresAddress | undefined {
  const match = /^postgres(?:ql)?(?:\+[a-z0-9]+)?:\/\/(.+)$/i.exec(text.trim());
  if (match === null) return undefined;
  const url = `postgresql://${match[1]}`;
  if (!URL.canParse(url)) return undefined;
  const { host, pathname, searchParams } = new URL(url);
  const place = host === "" ? (searchParams.get("host") ?? "localhost") : host;
  return { url, shown: `PostgreSQL database "${decodeURIComponent(pathname.slice(1))}" at ${place}` };
}

// Connection refused or broken (class 08), shut down or starting (57P), too many connections (53300), and what sockets say.
const LOST =
  /^(?:08...|57P0[1-5]|53300|25P0[34]|ECONN\w+|EPIPE|ENOENT|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN|ENOTFOUND)$/;
const LOST_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after/;

/** Whether an error means that the connection is gone, or that there is none to be had. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isConnectionLost);
  return LOST.test((error as { code?: string }).code ?? "") || LOST_TEXT.test(error.message);
}

// Serialisation failure, deadlock, lock not to be had in time: the transaction was undone, and may work another time.
const TRANSIENT = new Set(["40001", "40P01", "55P03"]);

/** Whether the same transaction may work when it is tried again. */
export function isTransient(error: unknown): boolean {
  return TRANSIENT.has((error as { code?: string } | undefined)?.code ?? "");
}

// What the database itself lacks: space, memory, its being writable.
const EXHAUSTED = /^(?:53...|25006|58030)$/;

/** A database's error as the registry tells it; others stay as they are. */
export function databaseError(error: unknown, address: PostgresAddress): unknown {
  if (error instanceof RegistryError || !(error instanceof Error)) return error;
  const code = (error as { code?: string }).code ?? "";
  if (code === "22021" || code === "22P05") {
    return new RegistryError({
      code: "REQUEST_INVALID",
      message: "Cannot store the text: it has the character U+0000",
      cause: error,
    });
  }
  const full = storageError(error, `the disk of ${address.shown}`);
  if (full !== error) return full;
  if (!isConnectionLost(error) && !isTransient(error) && !EXHAUSTED.test(code)) return error;
  return new RegistryError({
    code: "UNAVAILABLE",
    message: `Cannot reach ${address.shown}: ${error.message || code}`,
    hint: "Send the same request again in a moment",
    retryAfter: 2,
    cause: error,
  });
}

/** The driver, loaded where it is used: a server on SQLite has no need of it. */
export async function loadDriver(): Promise<typeof pg> {
  return (await import("pg")).default;
}

/** A pool of connections with the settings that the registry relies on. */
export async function createPool(address: PostgresAddress, connections: number): Promise<pg.Pool> {
  const { Pool, types } = await loadDriver();
  const options: pg.PoolConfig & { readonly onConnect: (client: pg.ClientBase) => Promise<void> } = {
    connectionString: address.url,
    max: connections,
    keepAlive: true,
    application_name: "lading-registry",
    allowExitOnIdle: true,
    ...TIMEOUTS,
    types: {
      // Counters and times in milliseconds are far below 2^53.
      getTypeParser: ((oid: number, format: "text") =>
        oid === INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
    },
    // A database may be set to acknowledge commits before they are on the disk; this program may not.
    onConnect: async (client: pg.ClientBase) => {
      client.on("error", () => {});
      await client.query(
        "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
      );
    },
  };
  const pool = new Pool(options);
  // An idle connection that breaks is taken out of the pool; whoever needs one gets another.
  pool.on("error", () => {});
  return pool;
}
