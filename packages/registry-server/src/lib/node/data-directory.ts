import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../registry-error.ts";
import { makeDirectory } from "./durable-file.ts";

/** Where the parts of an embedded registry are below its data directory. */
export function dataLayout(
  directory: string,
): Readonly<Record<"database" | "lock" | "adminToken" | "jwtSecret" | "temporary" | "keys" | "trees", string>> {
  return {
    database: join(directory, "registry.db"),
    lock: join(directory, "server.lock"),
    adminToken: join(directory, "admin-token"),
    jwtSecret: join(directory, "jwt-secret"),
    temporary: join(directory, "tmp"),
    keys: join(directory, "keys"),
    trees: join(directory, "trees"),
  };
}

/**
 * Makes a data directory that only its owner may read, or takes the one that is there.
 * @throws {RegistryError} `DATA_DIRECTORY_UNUSABLE`
 */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(dataLayout(directory).temporary);
    await chmod(directory, 0o700).catch(() => {});
  } catch (cause) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_UNUSABLE",
      message: `Cannot use data directory "${directory}": ${(cause as Error).message}`,
      hint: "Choose a directory that you may write with --data",
      cause,
    });
  }
}
