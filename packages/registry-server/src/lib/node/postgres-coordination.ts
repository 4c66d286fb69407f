import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { Coordination } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { PostgresMetadataStore, channelOf } from "./postgres-metadata-store.ts";
import { LOCK_SPACE } from "./postgres-migrations.ts";
import { databaseError, loadDriver } from "./postgres-pool.ts";

const RECONNECT_MS = 500;

/** The lock that servers share for as long as they run, and that commands take which want no server beside them. */
const SERVERS = `${LOCK_SPACE}, hashtext('servers ' || current_schema())`;

function inUse(problem: string): RegistryError {
  return new RegistryError({
    code: "DATA_DIRECTORY_IN_USE",
    message: `Cannot use the PostgreSQL database: ${problem}`,
    hint: "Wait for it to end, or stop it",
  });
}

/**
 * Claims a database for this process alone; the claim ends with its connection.
 * @returns gives the claim back
 * @throws {RegistryError} `DATA_DIRECTORY_IN_USE`: servers run on it; `DATABASE_UNUSABLE`
 */
export async function lockDatabase(url: string): Promise<() => Promise<void>> {
  const store = await PostgresMetadataStore.open(url, { connections: 1 });
  try {
    const client = await store.pool.connect();
    const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock(${SERVERS}) as taken`);
    if (rows[0]?.taken !== true) {
      client.release();
      throw inUse("registry servers, or another command, have it");
    }
    return async () => {
      client.release(true);
      await store.close();
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** {@link Coordination} over the database of the metadata: leases are rows, and commits are told with `NOTIFY`. */
export class PostgresCoordination implements Coordination {
  readonly #store: Pick<PostgresMetadataStore, "pool" | "schema" | "address">;
  readonly #holder = randomUUID();
  readonly #listeners = new Set<() => void>();
  readonly #ended = new AbortController();
  #client: pg.Client | undefined;
  #listening: Promise<void> | undefined;

  constructor(store: Pick<PostgresMetadataStore, "pool" | "schema" | "address">) {
    this.#store = store;
  }

  // By the database's clock alone: those of the servers may differ.
  async lease(name: string, ttlMs: number): Promise<boolean> {
    const { rowCount } = await this.#query(
      `insert into leases (name, holder, expires) values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
       on conflict (name) do update set holder = excluded.holder, expires = excluded.expires
       where leases.holder = excluded.holder or leases.expires <= clock_timestamp()`,
      [name, this.#holder, ttlMs],
    );
    return rowCount === 1;
  }

  async release(name: string): Promise<void> {
    await this.#query("delete from leases where name = $1 and holder = $2", [name, this.#holder]);
  }

  async #query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    try {
      return await this.#store.pool.query(text, [...values]);
    } catch (error) {
      throw databaseError(error, this.#store.address);
    }
  }

  async watch(listener: () => void): Promise<void> {
    this.#listeners.add(listener);
    this.#client ??= await this.#connect();
    this.#listening ??= this.#keepListening(this.#client);
  }

  async #connect(): Promise<pg.Client> {
    const { Client } = await loadDriver();
    const client = new Client({
      connectionString: this.#store.address.url,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
      application_name: "lading-registry changes",
      connectionTimeoutMillis: 5000,
    });
    client.on("error", () => {});
    client.on("notification", () => this.#tell());
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channelOf(this.#store.schema))}`);
      const { rows } = await client.query<{ taken: boolean }>(
        `select pg_try_advisory_lock_shared(${SERVERS}) as taken`,
      );
      if (rows[0]?.taken !== true) throw inUse("a command of the administrator has it for itself");
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      throw databaseError(error, this.#store.address);
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  async #keepListening(first: pg.Client): Promise<void> {
    let client: pg.Client | undefined = first;
    while (!this.#ended.signal.aborted) {
      if (client !== undefined) await this.#untilLost(client);
      if (this.#ended.signal.aborted) break;
      await delay(RECONNECT_MS, undefined, { signal: this.#ended.signal }).catch(() => {});
      client = await this.#connect().catch(() => undefined);
      this.#client = client;
      // Whatever was committed while nobody listened.
      if (client !== undefined) this.#tell();
    }
    await this.#client?.end().catch(() => {});
  }

  #untilLost(client: pg.Client): Promise<void> {
    return new Promise((resolve) => {
      client.once("end", () => resolve());
      this.#ended.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#listeners.clear();
    await this.#listening;
  }
}
