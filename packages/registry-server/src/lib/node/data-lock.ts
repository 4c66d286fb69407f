import Database from "better-sqlite3";
import { RegistryError } from "../registry-error.ts";

/**
 * Claims a data directory for this process. The claim is a lock of the operating system on a file, so that it ends with
 * the process, however that ends: no stale lock needs anybody's hand.
 * @returns gives the claim back
 * @throws {RegistryError} `DATA_DIRECTORY_IN_USE`
 */
export function lockDataDirectory(directory: string, file: string): () => void {
  const database = new Database(file);
  try {
    database.pragma("busy_timeout = 0");
    database.pragma("journal_mode = MEMORY");
    database.exec("begin exclusive");
  } catch (cause) {
    database.close();
    throw new RegistryError({
      code: "DATA_DIRECTORY_IN_USE",
      message: `Cannot use data directory "${directory}": another registry process has it`,
      hint: "Stop that process, or choose another --data",
      cause,
    });
  }
  return () => database.close();
}
