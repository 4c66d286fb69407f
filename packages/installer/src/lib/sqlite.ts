import type { DatabaseSync } from "node:sqlite";
import { InstallerError } from "./installer-error.ts";

const BUSY = 5;
const BUSY_TIMEOUT_MS = 15_000;

/** Opens a database; `node:sqlite` is loaded here and not before, since the no-op path never needs it. */
export function openDatabase(file: string, busyTimeoutMs: number = BUSY_TIMEOUT_MS): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  return new DatabaseSync(file, { timeout: busyTimeoutMs });
}

/** Whether SQLite gave up waiting for another process. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && (error as { errcode?: number }).errcode === BUSY;
}

/** Runs `work` in one exclusive transaction: no other process reads or writes meanwhile, and the lock dies with the process. */
export function exclusively<T>(database: DatabaseSync, what: string, work: () => T): T {
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    if (!isBusy(error)) throw error;
    throw new InstallerError({
      code: "STORE_BUSY",
      message: `Cannot ${what}: another process has held the store's lock for too long`,
      hint: "Wait for it to finish, or end it",
      cause: error,
    });
  }
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

// Node 22 warns on stderr that SQLite is experimental there; what is used here is the part that stayed.
function loadSqlite(): typeof import("node:sqlite") {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (!String(warning).includes("SQLite")) Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return process.getBuiltinModule("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
}
