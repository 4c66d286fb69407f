import { RegistryError } from "../registry-error.ts";

// What file systems, SQLite and PostgreSQL say when there is no room, by quota or by size.
const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG", "SQLITE_FULL", "53100"]);

/** The registry's own error where one means that `place` is full; others as they are. */
export function storageError(error: unknown, place: string): unknown {
  const { code } = (error ?? {}) as { code?: unknown };
  if (error instanceof RegistryError || typeof code !== "string" || !FULL.has(code)) return error;
  return new RegistryError({
    code: "STORAGE_FULL",
    message: `Cannot store the change: ${place} is full`,
    retryAfter: 60,
    cause: error,
  });
}

/** Runs `work`; a full disk is told as {@link storageError} does. */
export async function tellingFull<Result>(place: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, place);
  }
}
