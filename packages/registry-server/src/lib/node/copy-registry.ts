import { createHash } from "node:crypto";
import { sql, type Selectable, type Transaction } from "kysely";
import { digestHex, type Digest } from "@lading/core-manifest";
import type { BlobStore } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { SqlMetadataStore } from "./sql-metadata-store.ts";
import type { Tables } from "./sql-schema.ts";

type TableName = Exclude<keyof Tables, "package_search">;

/** The key of every table, in an order in which rows only name rows that are there. A table that is missing here does not compile. */
const KEYS: Readonly<Record<TableName, readonly string[]>> = {
  accounts: ["id"],
  account_groups: ["account_id", "name"],
  second_factors: ["account_id"],
  recovery_codes: ["account_id", "hash"],
  passkeys: ["id"],
  trusted_publishers: ["id"],
  used_ids: ["id"],
  tokens: ["id"],
  sessions: ["id"],
  keys: ["fingerprint"],
  key_statements: ["leaf"],
  packages: ["id"],
  host_ranges: ["id"],
  versions: ["id"],
  artifacts: ["id"],
  owners: ["package_id", "account_id"],
  reviews: ["id"],
  review_reviewers: ["review_id", "reviewer"],
  organisations: ["id"],
  retired_organisations: ["name"],
  organisation_members: ["organisation_id", "account_id"],
  teams: ["id"],
  team_members: ["team_id", "account_id"],
  namespaces: ["name"],
  owner_teams: ["package_id", "team_id"],
  invitations: ["id"],
  package_transfers: ["id"],
  name_claims: ["id"],
  quotas: ["subject"],
  upload_sessions: ["id"],
  configurations: ["organisation_id", "name", "revision"],
  download_days: ["package_id", "day"],
  deliveries: ["id"],
  delivery_positions: ["name"],
  webhooks: ["id"],
  outbox: ["id"],
  feed: ["id"],
  audit: ["id"],
  audit_heads: ["leaf"],
  log_entries: ["id"],
  signed_files: ["path"],
  upstream_states: ["upstream"],
  upstream_files: ["upstream", "path"],
  upstream_exceptions: ["upstream", "package", "version"],
  package_terms: ["kind", "term", "package_id"],
};
const TABLES = Object.entries(KEYS) as readonly (readonly [TableName, readonly string[]])[];

const BATCH = 500;
/** Rows with many bytes each. */
const SMALL_BATCH = 50;
const INSERTED_AT_ONCE = 50;

/** What was copied of one table. */
export interface CopiedTable {
  readonly rows: number;
  /** Sum of the SHA-256 of its rows, equal in both databases. */
  readonly checksum: string;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * A checksum of rows in any order, since databases sort text by rules of their own: the sum of the rows' SHA-256. One form
 * for both databases: bytes in hexadecimal, columns by name.
 */
class TableSum {
  #rows = 0;
  #sum = 0n;

  add(row: Row): void {
    const fields = Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1));
    const plain = fields.map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
    ]);
    const digest = createHash("sha256").update(JSON.stringify(plain)).digest("hex");
    this.#sum = (this.#sum + BigInt(`0x${digest}`)) % 2n ** 256n;
    this.#rows += 1;
  }

  get result(): CopiedTable {
    return { rows: this.#rows, checksum: this.#sum.toString(16).padStart(64, "0") };
  }
}

/** Every row of a table, by key, some at a time. */
async function* rowsOf(
  session: Transaction<Tables>,
  [table, key]: readonly [TableName, readonly string[]],
): AsyncIterable<readonly Row[]> {
  const size = table === "signed_files" || table === "versions" ? SMALL_BATCH : BATCH;
  const columns = key.map((name) => sql.ref(name));
  let last: Row | undefined;
  for (;;) {
    const after =
      last === undefined
        ? sql`1 = 1`
        : sql`(${sql.join(columns)}) > (${sql.join(key.map((name) => sql`${last![name]}`))})`;
    const { rows } = await sql<Row>`select * from ${sql.table(table)} where ${after}
      order by ${sql.join(columns)} limit ${size}`.execute(session);
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1);
  }
}

async function tableSummary(session: Transaction<Tables>, table: (typeof TABLES)[number]): Promise<CopiedTable> {
  const sum = new TableSum();
  for await (const rows of rowsOf(session, table)) for (const row of rows) sum.add(row);
  return sum.result;
}

async function copyTable(
  from: Transaction<Tables>,
  to: Transaction<Tables>,
  table: (typeof TABLES)[number],
): Promise<CopiedTable> {
  const sum = new TableSum();
  for await (const rows of rowsOf(from, table)) {
    for (const row of rows) sum.add(row);
    // The same columns in both: a test compares them.
    for (let at = 0; at < rows.length; at += INSERTED_AT_ONCE) {
      const some = rows.slice(at, at + INSERTED_AT_ONCE) as unknown as readonly never[];
      await to.insertInto(table[0]).values(some).execute();
    }
  }
  return sum.result;
}

async function fillSearch(session: Transaction<Tables>, engine: SqlEngine): Promise<void> {
  for await (const rows of rowsOf(session, ["packages", ["id"]])) {
    for (const row of rows as unknown as readonly Selectable<Tables["packages"]>[]) {
      const { id, name, title, keywords, description } = row;
      await engine.text.put(session, {
        id,
        name,
        title: title ?? "",
        keywords: (JSON.parse(keywords) as string[]).join(" "),
        description: description ?? "",
      });
    }
  }
}

function differs(what: string): RegistryError {
  return new RegistryError({
    code: "METADATA_DAMAGED",
    message: `Cannot finish the move: ${what} came out other than it was; nothing of the source was changed`,
    hint: "Check the disks of both sides, empty the target and move again",
  });
}

/**
 * Copies all of a registry's metadata into an empty store, in one transaction, and compares both.
 * @returns each table with its number of rows and the checksum that both sides have
 * @throws {RegistryError} `DATA_DIRECTORY_NOT_EMPTY`: the target has accounts or packages; `METADATA_DAMAGED`
 */
export async function copyMetadata(
  from: SqlMetadataStore,
  to: SqlMetadataStore,
): Promise<Readonly<Record<string, CopiedTable>>> {
  const { accounts, packages } = await to.counts();
  if (accounts + packages > 0) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_NOT_EMPTY",
      message: `Cannot move the registry: the target holds one, with ${accounts} accounts and ${packages} packages`,
      hint: "Name an empty database, or drop what is in that one",
    });
  }
  const copied: Record<string, CopiedTable> = {};
  await from.engine.snapshot((source) =>
    to.engine.write(async (target) => {
      for (const table of TABLES) copied[table[0]] = await copyTable(source, target, table);
      await fillSearch(target, to.engine);
      await to.engine.continueCounters(target);
    }),
  );
  const found = await to.engine.snapshot(async (session) => {
    const summaries: Record<string, CopiedTable> = {};
    for (const table of TABLES) summaries[table[0]] = await tableSummary(session, table);
    return summaries;
  });
  for (const [table, { checksum }] of Object.entries(copied))
    if (found[table]?.checksum !== checksum) throw differs(`table "${table}"`);
  return copied;
}

/** What was copied of the blobs. */
export interface CopiedBlobs {
  readonly blobs: number;
  readonly bytes: number;
  /** Those that were not there before. */
  readonly copied: number;
}

async function copyBlob(digest: Digest, from: BlobStore, to: BlobStore): Promise<number> {
  const source = await from.open(digest);
  const problem = (text: string): RegistryError =>
    new RegistryError({
      code: "METADATA_DAMAGED",
      message: `Cannot copy the registry: blob "${digest}" ${text}`,
      hint: "lading-registry admin verify lists everything that is wrong",
    });
  if (source === undefined) throw problem("is missing");
  const staged = await to.stage();
  try {
    for await (const chunk of source.stream()) await staged.write(chunk);
    const { digest: found } = await staged.seal();
    if (found !== digest) throw problem(`is altered, its digest is "${found}"`);
    await staged.commit();
  } finally {
    await staged.discard();
  }
  return source.size;
}

async function isWhole(digest: Digest, store: BlobStore): Promise<number | undefined> {
  const blob = await store.open(digest);
  if (blob === undefined) return undefined;
  const hash = createHash("sha256");
  for await (const chunk of blob.stream()) hash.update(chunk);
  return hash.digest("hex") === digestHex(digest) ? blob.size : undefined;
}

const PARALLEL = 8;

/**
 * Copies blobs to another store, each checked against its digest on the way; those that are there and whole stay.
 * @throws {RegistryError} `METADATA_DAMAGED`: one is missing or altered in the source
 */
export async function copyBlobs(digests: Iterable<Digest>, from: BlobStore, to: BlobStore): Promise<CopiedBlobs> {
  const report = { blobs: 0, bytes: 0, copied: 0 };
  const left = digests[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) {
      const present = await isWhole(next.value, to);
      // What is there and altered would stop another of that digest from being stored.
      if (present === undefined) await to.remove(next.value);
      report.bytes += present ?? (await copyBlob(next.value, from, to));
      report.blobs += 1;
      if (present === undefined) report.copied += 1;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return report;
}
