import { lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ArchiveError, quote } from "../archive-error.ts";
import { onDisk } from "./files.ts";

/** What was made, and the directory to rename if it is not the private one itself but one inside it. */
export interface Filled<T> {
  readonly result: T;
  readonly directory: string;
}

/**
 * Fills a private directory beside `destination` and renames it into place once, so that the destination is either
 * absent or whole. On any failure the private directory is removed.
 * @throws {ArchiveError} `ARCHIVE_DESTINATION_EXISTS`
 */
export async function intoFreshDirectory<T>(
  destination: string,
  fill: (directory: string) => Promise<Filled<T>>,
): Promise<T> {
  const target = resolve(destination);
  await refuseExisting(target);
  const parent = dirname(target);
  await onDisk("make the directory", parent, () => mkdir(parent, { recursive: true }));
  const directory = await onDisk("make a directory in", parent, () =>
    mkdtemp(join(parent, `.${basename(target)}.tmp-`)),
  );
  try {
    const filled = await fill(directory);
    await refuseExisting(target);
    await onDisk("rename into", target, () => rename(filled.directory, target));
    if (filled.directory !== directory) await rm(directory, { recursive: true, force: true });
    return filled.result;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function refuseExisting(target: string): Promise<void> {
  const exists = await lstat(target).then(
    () => true,
    () => false,
  );
  if (exists) {
    throw new ArchiveError({
      code: "ARCHIVE_DESTINATION_EXISTS",
      message: `Cannot unpack into ${quote(target)}: it exists already`,
      path: target,
    });
  }
}
