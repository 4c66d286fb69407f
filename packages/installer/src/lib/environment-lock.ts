import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";
import { isBusy, openDatabase } from "./sqlite.ts";

/**
 * Runs `work` as the only one that changes the environment. The lock is SQLite's on an empty database: it holds on
 * every platform and is released when its process dies, whatever the way.
 * @throws {InstallerError} `INSTALL_BUSY`
 */
export async function withEnvironmentLock<T>(
  environment: Environment,
  work: () => Promise<T>,
  busyTimeoutMs?: number,
): Promise<T> {
  mkdirSync(environment.state, { recursive: true });
  const database = openDatabase(join(environment.state, "lock.sqlite"), busyTimeoutMs);
  try {
    database.exec("BEGIN EXCLUSIVE");
    const result = await work();
    database.exec("ROLLBACK");
    return result;
  } catch (error) {
    if (!isBusy(error)) throw error;
    throw new InstallerError({
      code: "INSTALL_BUSY",
      message: `Cannot change the environment "${environment.link}": another process is changing it`,
      hint: "Wait for it to finish and run the command again",
      cause: error,
    });
  } finally {
    database.close();
  }
}
