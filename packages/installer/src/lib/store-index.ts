import { existsSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Digest } from "@lading/core-manifest";
import { InstallerError } from "./installer-error.ts";
import { exclusively, openDatabase } from "./sqlite.ts";
import type { StoredFile, StoredPackage } from "./store-types.ts";

/** Version of the index's schema, kept in `user_version`. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE packages (
    tree TEXT PRIMARY KEY, blob TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    size INTEGER NOT NULL, file_count INTEGER NOT NULL, files TEXT NOT NULL, digests TEXT NOT NULL,
    signers TEXT NOT NULL, stored_at INTEGER NOT NULL, used_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX packages_by_blob ON packages (blob);
  CREATE INDEX packages_by_use ON packages (used_at);
  CREATE TABLE environments (directory TEXT PRIMARY KEY, trees TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

// A package that is not yet in the index when the process dies is found again by the next one that stores it.
const FLUSH_AFTER_MS = 250;

/** A package and its files, as they are put into the index. */
export interface IndexedPackage {
  readonly package: StoredPackage;
  readonly files: readonly StoredFile[];
}

type FileRow = [path: string, size: number, executable: 0 | 1, mtimeMs: number];
type Row = Record<string, string | number>;

/**
 * The SQLite index of a store: rollback journal, one connection. Packages that were just stored are written in groups,
 * since each transaction costs a sync of the disk; readers of this process see them at once.
 */
export class StoreIndex {
  readonly #database: DatabaseSync;
  readonly #pending = new Map<Digest, IndexedPackage>();
  #flushTimer: NodeJS.Timeout | undefined;
  readonly #byTree: StatementSync;
  readonly #byBlob: StatementSync;
  readonly #filesOf: StatementSync;
  readonly #insert: StatementSync;

  constructor(file: string) {
    this.#database = open(file);
    this.#byTree = this.#database.prepare(`SELECT ${COLUMNS} FROM packages WHERE tree = ?`);
    this.#byBlob = this.#database.prepare(`SELECT ${COLUMNS} FROM packages WHERE blob = ?`);
    this.#filesOf = this.#database.prepare("SELECT files, digests FROM packages WHERE tree = ?");
    this.#insert = this.#database.prepare(
      "INSERT OR REPLACE INTO packages (tree, blob, name, version, size, file_count, files, digests, signers, stored_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
  }

  add(entry: IndexedPackage): void {
    this.#pending.set(entry.package.tree, entry);
    this.#flushTimer ??= setTimeout(() => this.#flushInPassing(), FLUSH_AFTER_MS);
  }

  // Nobody could catch what a timer throws, and it would end the process: what is pending stays, and the next call that
  // has a caller tells of it.
  #flushInPassing(): void {
    try {
      this.flush();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }

  /** Writes what is pending, in one transaction. */
  flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (this.#pending.size === 0) return;
    exclusively(this.#database, "record stored packages", () => {
      for (const { package: stored, files } of this.#pending.values()) {
        const rows: FileRow[] = files.map((file) => [file.path, file.size, file.executable ? 1 : 0, file.mtimeMs]);
        const digests = files.map((file) => file.sha256.slice("sha256:".length)).join("");
        const signers = JSON.stringify(stored.signers);
        this.#insert.run(
          stored.tree,
          stored.blob,
          stored.name,
          stored.version,
          stored.size,
          stored.fileCount,
          JSON.stringify(rows),
          digests,
          signers,
          stored.storedAt,
          stored.lastUsedAt,
        );
      }
    });
    this.#pending.clear();
  }

  get(tree: Digest): StoredPackage | undefined {
    const pending = this.#pending.get(tree);
    return pending === undefined ? packageOf(this.#byTree.get(tree) as Row | undefined) : pending.package;
  }

  byBlob(blob: Digest): StoredPackage | undefined {
    const pending = [...this.#pending.values()].find((entry) => entry.package.blob === blob);
    return pending === undefined ? packageOf(this.#byBlob.get(blob) as Row | undefined) : pending.package;
  }

  files(tree: Digest): readonly StoredFile[] | undefined {
    const pending = this.#pending.get(tree);
    if (pending !== undefined) return pending.files;
    const row = this.#filesOf.get(tree) as Row | undefined;
    if (row === undefined) return undefined;
    const digests = String(row.digests);
    return (JSON.parse(String(row.files)) as FileRow[]).map(([path, size, executable, mtimeMs], index) => ({
      path,
      size,
      sha256: `sha256:${digests.slice(index * 64, index * 64 + 64)}` as Digest,
      executable: executable === 1,
      mtimeMs,
    }));
  }

  list(): StoredPackage[] {
    this.flush();
    const rows = this.#database.prepare(`SELECT ${COLUMNS} FROM packages ORDER BY name, version, tree`).all() as Row[];
    return rows.map((row) => packageOf(row)!);
  }

  totals(): { packages: number; bytes: number; files: number } {
    this.flush();
    const query =
      "SELECT count(*) AS packages, coalesce(sum(size), 0) AS bytes, coalesce(sum(file_count), 0) AS files FROM packages";
    const row = this.#database.prepare(query).get() as Row;
    return { packages: Number(row.packages), bytes: Number(row.bytes), files: Number(row.files) };
  }

  touch(trees: readonly Digest[], now: number): void {
    this.flush();
    const update = this.#database.prepare("UPDATE packages SET used_at = ? WHERE tree = ?");
    exclusively(this.#database, "mark packages as used", () => {
      for (const tree of trees) update.run(now, tree);
    });
  }

  setSigners(tree: Digest, signers: readonly string[]): void {
    this.flush();
    this.#database.prepare("UPDATE packages SET signers = ? WHERE tree = ?").run(JSON.stringify(signers), tree);
  }

  /** Replaces what `directory` needs. */
  retain(directory: string, trees: readonly Digest[]): void {
    this.flush();
    const insert = this.#database.prepare("INSERT OR REPLACE INTO environments (directory, trees) VALUES (?, ?)");
    exclusively(this.#database, "record an environment", () => insert.run(directory, JSON.stringify(trees)));
  }

  /** Trees that existing environments need; forgets environments that are gone. */
  retained(): Set<Digest> {
    const trees = new Set<Digest>();
    const rows = this.#database.prepare("SELECT directory, trees FROM environments").all() as Row[];
    const forget = this.#database.prepare("DELETE FROM environments WHERE directory = ?");
    for (const row of rows) {
      if (existsSync(String(row.directory)))
        for (const tree of JSON.parse(String(row.trees)) as Digest[]) trees.add(tree);
      else forget.run(row.directory!);
    }
    return trees;
  }

  /** Runs `work` with the store locked against all other processes. */
  locked<T>(what: string, work: () => T): T {
    this.flush();
    return exclusively(this.#database, what, work);
  }

  /** Only inside {@link locked}. */
  forget(tree: Digest): void {
    this.#database.prepare("DELETE FROM packages WHERE tree = ?").run(tree);
  }

  /** Only inside {@link locked}: least recently used first. */
  byAge(): StoredPackage[] {
    const rows = this.#database.prepare(`SELECT ${COLUMNS} FROM packages ORDER BY used_at, tree`).all() as Row[];
    return rows.map((row) => packageOf(row)!);
  }

  close(): void {
    this.flush();
    this.#database.close();
  }
}

const COLUMNS = "tree, blob, name, version, size, file_count, signers, stored_at, used_at";

function packageOf(row: Row | undefined): StoredPackage | undefined {
  if (row === undefined) return undefined;
  return {
    tree: row.tree as Digest,
    blob: row.blob as Digest,
    name: String(row.name),
    version: String(row.version),
    size: Number(row.size),
    fileCount: Number(row.file_count),
    signers: JSON.parse(String(row.signers)) as string[],
    storedAt: Number(row.stored_at),
    lastUsedAt: Number(row.used_at),
  };
}

function open(file: string): DatabaseSync {
  const database = openDatabase(file);
  try {
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = NORMAL");
    if (versionOf(database) === SCHEMA_VERSION) return database;
    exclusively(database, "open the store", () => migrate(database, file));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

// Read again under the lock: another process may have been first.
function migrate(database: DatabaseSync, file: string): void {
  const version = versionOf(database);
  if (version === 0) database.exec(SCHEMA);
  if (version <= SCHEMA_VERSION) return;
  throw new InstallerError({
    code: "STORE_VERSION_UNSUPPORTED",
    message: `Cannot open the store's index "${file}": it has version ${version}, this release knows ${SCHEMA_VERSION}`,
    hint: "Upgrade the tool, or choose another data directory",
  });
}

function versionOf(database: DatabaseSync): number {
  return Number((database.prepare("PRAGMA user_version").get() as Row).user_version);
}
