import Database from "better-sqlite3";
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tryParseDigest, type Digest } from "@lading/core-manifest";
import { RegistryError } from "../registry-error.ts";
import type { BlobStore } from "../ports.ts";
import { copyBlobs as copyStoredBlobs, copyMetadata } from "./copy-registry.ts";
import { DirectoryBlobStore, blobPath } from "./directory-blob-store.ts";
import { makeDirectory, makeDurableDirectory, syncDirectory, writeDurably } from "./durable-file.ts";
import { copyKeys } from "./key-directory.ts";
import { SCHEMA_VERSION } from "./migrations.ts";
import { dataLayout, prepareDirectory } from "./node-registry.ts";
import type { Stores } from "./stores.ts";
import { SqliteMetadataStore, openDatabase } from "./sqlite-metadata-store.ts";

const RECORD = "backup.json";
const DATABASE = "registry.db";

/** What `backup.json` says, the last file of a backup to be written: without it a backup is not one. */
export interface BackupRecord {
  readonly format: 1;
  /** RFC 3339. */
  readonly created: string;
  readonly schema: number;
  /** SHA-256 of the database's copy. */
  readonly database: Digest;
  readonly blobs: number;
  readonly bytes: number;
}

/** What was copied, and what was there from an earlier backup. */
export interface CopyReport {
  readonly blobs: number;
  readonly bytes: number;
  readonly copied: number;
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}` as Digest;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function damaged(directory: string, problem: string): RegistryError {
  return new RegistryError({
    code: "BACKUP_DAMAGED",
    message: `Cannot use backup "${directory}": ${problem}`,
    hint: "Use another backup, or make this one again with admin backup",
  });
}

/** Copies one blob under its digest, checked on the way; a copy that is there and whole stays. */
async function copyBlob(
  digest: Digest,
  { from, to, problem }: { from: string; to: string; problem: (text: string) => RegistryError },
): Promise<{ readonly size: number; readonly copied: boolean }> {
  const target = blobPath(to, digest);
  const present = await sizeOf(target);
  if (present !== undefined && (await digestOfFile(target)) === digest) return { size: present, copied: false };
  await makeDurableDirectory(dirname(target));
  const temporary = `${target}.part`;
  try {
    await copyFile(blobPath(from, digest), temporary, constants.COPYFILE_FICLONE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw problem(`blob "${digest}" is missing`);
    throw error;
  }
  const found = await digestOfFile(temporary);
  if (found !== digest) {
    await rm(temporary, { force: true });
    throw problem(`blob "${digest}" is altered, its digest is "${found}"`);
  }
  await sync(temporary);
  await rename(temporary, target);
  await syncDirectory(dirname(target));
  return { size: (await stat(target)).size, copied: true };
}

async function copyBlobs(
  blobs: Iterable<Digest>,
  places: { from: string; to: string; problem: (text: string) => RegistryError },
): Promise<CopyReport> {
  const report = { blobs: 0, bytes: 0, copied: 0 };
  for (const digest of blobs) {
    const { size, copied } = await copyBlob(digest, places);
    report.blobs += 1;
    report.bytes += size;
    if (copied) report.copied += 1;
  }
  return report;
}

async function referencedBlobs(databaseFile: string): Promise<ReadonlySet<Digest>> {
  const metadata = new SqliteMetadataStore(databaseFile);
  try {
    return await metadata.referencedBlobs();
  } finally {
    await metadata.close();
  }
}

/**
 * Copies a registry to `target`, also beside a running server: first the database, at one moment, then every blob that it
 * names, each checked. A target that holds an earlier backup is brought up to date. Until the record at the end is
 * written, `target` counts as no backup.
 * @throws {RegistryError} `BACKUP_DAMAGED` where the registry's own bytes are missing or altered
 */
export async function backUp(
  source: { readonly directory: string; readonly databaseFile: string; readonly keys: string },
  target: string,
): Promise<CopyReport> {
  if ((await sizeOf(source.databaseFile)) === undefined) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_UNUSABLE",
      message: `Cannot back up "${source.directory}": there is no registry in it`,
      hint: "Name the data directory with --data",
    });
  }
  const copy = join(target, DATABASE);
  await begin(target);
  for (const name of await readdir(target)) if (name.startsWith(DATABASE)) await rm(join(target, name));
  const database = openDatabase(source.databaseFile);
  try {
    await database.backup(copy);
  } finally {
    database.close();
  }
  const referenced = await referencedBlobs(copy);
  await foldLog(copy);
  const problem = (text: string): RegistryError =>
    new RegistryError({
      code: "BACKUP_DAMAGED",
      message: `Cannot back up "${source.directory}": ${text}`,
      hint: "lading-registry admin verify lists everything that is wrong",
    });
  const report = await copyBlobs(referenced, { from: source.directory, to: target, problem });
  await finish({ directory: source.directory, keys: source.keys, target, report });
  return report;
}

/** Keys and secrets, and the record that makes `target` a backup. */
async function finish(made: {
  readonly directory: string;
  readonly keys: string;
  readonly target: string;
  readonly report: CopyReport;
}): Promise<void> {
  const { directory, keys, target, report } = made;
  const { temporary, keys: copiedKeys } = dataLayout(target);
  await makeDirectory(temporary);
  await keepSecret(directory, target);
  await copyKeys(keys, copiedKeys, temporary);
  const record: BackupRecord = {
    format: 1,
    created: `${new Date().toISOString().slice(0, 19)}Z`,
    schema: SCHEMA_VERSION,
    database: await digestOfFile(join(target, DATABASE)),
    blobs: report.blobs,
    bytes: report.bytes,
  };
  await writeDurably(join(target, RECORD), `${JSON.stringify(record, undefined, 2)}\n`, { temporary, mode: 0o600 });
  await rm(temporary, { recursive: true, force: true });
}

/** Marks `target` as an unfinished backup; a registry's own directory is not to be mistaken for one. */
async function begin(target: string): Promise<void> {
  const isBackup = (await sizeOf(join(target, RECORD))) !== undefined;
  if (!isBackup && (await sizeOf(join(target, DATABASE))) !== undefined) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_NOT_EMPTY",
      message: `Cannot back up to "${target}": it holds a registry that is no backup`,
      hint: "Name another directory",
    });
  }
  await prepareDirectory(target);
  const { temporary } = dataLayout(target);
  await writeDurably(join(target, RECORD), '{"format":1,"unfinished":true}\n', { temporary, mode: 0o600 });
}

// The copy is one file: what SQLite keeps beside it goes into it.
async function foldLog(file: string): Promise<void> {
  const database = new Database(file);
  database.pragma("journal_mode = DELETE");
  database.close();
  await sync(file);
}

/** Copies the secret of sessions, where the registry keeps one. */
export async function keepSecret(from: string, to: string): Promise<void> {
  const { jwtSecret, temporary } = dataLayout(to);
  try {
    const secret = await readFile(dataLayout(from).jwtSecret);
    await writeDurably(jwtSecret, secret, { temporary, mode: 0o600 });
  } catch (error) {
    // A registry whose secret comes from the environment keeps none.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function readRecord(directory: string): Promise<BackupRecord> {
  let record: Partial<BackupRecord>;
  try {
    record = JSON.parse(await readFile(join(directory, RECORD), "utf8")) as Partial<BackupRecord>;
  } catch (error) {
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw damaged(directory, `it has no readable "${RECORD}", so it was not finished or is none`);
  }
  if (record.format !== 1) throw damaged(directory, `its format is ${JSON.stringify(record.format)}, allowed is 1`);
  if (tryParseDigest(record.database) === undefined) throw damaged(directory, "it was not finished");
  return record as BackupRecord;
}

/** A copy of the backup's database that may be opened, which changes files. */
async function checkedCopy(backup: string, temporary: string): Promise<string> {
  const record = await readRecord(backup);
  const copy = join(backup, DATABASE);
  if ((await sizeOf(copy)) === undefined || (await digestOfFile(copy)) !== record.database)
    throw damaged(backup, `its "${DATABASE}" is not the one that was backed up`);
  const staged = join(temporary, DATABASE);
  await copyFile(copy, staged);
  return staged;
}

/**
 * Makes a data directory of a backup; everything is checked against its digest. The database comes last, so that what a
 * crash leaves can be restored again. Index documents are rendered when the server next starts or by the caller.
 * @throws {RegistryError} `BACKUP_DAMAGED`, `DATA_DIRECTORY_NOT_EMPTY`, `SCHEMA_TOO_OLD`, `SCHEMA_TOO_NEW`
 */
export async function restore(
  backup: string,
  target: { readonly directory: string; readonly databaseFile: string; readonly keys: string },
): Promise<CopyReport> {
  if ((await sizeOf(target.databaseFile)) !== undefined) {
    throw new RegistryError({
      code: "DATA_DIRECTORY_NOT_EMPTY",
      message: `Cannot restore to "${target.directory}": it holds a registry`,
      hint: "Name a new --data directory, or move the old one away",
    });
  }
  await prepareDirectory(target.directory);
  const { temporary } = dataLayout(target.directory);
  const staged = await checkedCopy(backup, temporary);
  const referenced = await referencedBlobs(staged);
  const problem = (text: string): RegistryError => damaged(backup, text);
  const report = await copyBlobs(referenced, { from: backup, to: target.directory, problem });
  await keepSecret(backup, target.directory);
  await copyKeys(dataLayout(backup).keys, target.keys, temporary);
  await foldLog(staged);
  await mkdir(dirname(target.databaseFile), { recursive: true });
  await rename(staged, target.databaseFile);
  await syncDirectory(dirname(target.databaseFile));
  return report;
}

/** Blobs that no published version needs, with their sizes, removed unless `dryRun`. */
export async function collectGarbage(
  blobs: BlobStore,
  { needed, dryRun }: { readonly needed: ReadonlySet<Digest>; readonly dryRun: boolean },
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const report = { blobs: 0, bytes: 0 };
  for await (const digest of blobs.list()) {
    if (needed.has(digest)) continue;
    report.blobs += 1;
    report.bytes += (await blobs.open(digest))?.size ?? 0;
    if (!dryRun) await blobs.remove(digest);
  }
  return report;
}

/** Removes bytes of uploads that no upload under way has; resolves with how many there are. */
export async function collectUploads(
  { metadata, uploads }: Pick<Stores, "metadata" | "uploads">,
  { now, dryRun }: { readonly now: number; readonly dryRun: boolean },
): Promise<{ readonly uploads: number; readonly uploadBytes: number }> {
  const report = { uploads: 0, uploadBytes: 0 };
  for await (const id of uploads.uploads()) {
    const session = await metadata.uploads.session(id);
    if (session !== undefined && session.result === undefined && session.expires >= now) continue;
    report.uploads += 1;
    for (const { size } of await uploads.parts(id)) report.uploadBytes += size;
    if (!dryRun) await uploads.remove(id);
  }
  return report;
}

/** A registry on engines of its own, and what it keeps in files. */
export interface OpenRegistry {
  readonly stores: Stores;
  readonly directory: string;
  readonly keys: string;
}

/**
 * Copies a registry that is not, or not all, in one directory to `target`, also beside running servers: first the metadata,
 * at one moment, then every blob that it names, each checked. What it makes is a backup like that of {@link backUp}.
 * @throws {RegistryError} `METADATA_DAMAGED` where the registry's own bytes are missing or altered
 */
export async function backUpStores({ stores, directory, keys }: OpenRegistry, target: string): Promise<CopyReport> {
  const copy = join(target, DATABASE);
  await begin(target);
  for (const name of await readdir(target)) if (name.startsWith(DATABASE)) await rm(join(target, name));
  const metadata = new SqliteMetadataStore(copy);
  const blobs = new DirectoryBlobStore(target);
  await blobs.recover();
  let report: CopyReport;
  try {
    await copyMetadata(stores.metadata, metadata);
    report = await copyStoredBlobs(await metadata.referencedBlobs(), stores.blobs, blobs);
  } finally {
    await metadata.close();
  }
  await foldLog(copy);
  await finish({ directory, keys, target, report });
  return report;
}

/**
 * Puts a backup into empty stores. The metadata comes last, so that what a crash leaves can be restored again.
 * @throws {RegistryError} `BACKUP_DAMAGED`, `DATA_DIRECTORY_NOT_EMPTY`, `METADATA_DAMAGED`
 */
export async function restoreStores(backup: string, { stores, directory, keys }: OpenRegistry): Promise<CopyReport> {
  const { temporary } = dataLayout(directory);
  // First, for it may empty the directory of temporary files.
  await stores.blobs.recover();
  const staged = await checkedCopy(backup, temporary);
  const metadata = new SqliteMetadataStore(staged);
  try {
    const from = new DirectoryBlobStore(backup);
    const report = await copyStoredBlobs(await metadata.referencedBlobs(), from, stores.blobs);
    await keepSecret(backup, directory);
    await copyKeys(dataLayout(backup).keys, keys, temporary);
    await copyMetadata(metadata, stores.metadata);
    return report;
  } finally {
    await metadata.close();
    for (const ending of ["", "-wal", "-shm"]) await rm(`${staged}${ending}`, { force: true });
  }
}
