import type { Stats } from "node:fs";
import { randomBytes } from "node:crypto";
import { cp, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { parseDigest, parsePackageName, type Digest } from "@lading/core-manifest";
import { ARCHIVES_DIRECTORY } from "../archives-directory.ts";
import { cacheDirectory, step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import {
  displayPath,
  exists,
  hasErrno,
  hashFile,
  kindOf,
  makeDirectory,
  makeTemporaryDirectory,
  removeEmptyDirectories,
  writeFileAtomic,
} from "../files.ts";
import { looksLikeGit } from "../git.ts";
import { inspectFile, toldOf } from "../inspect-file.ts";
import { manifestIn, type Project } from "../project.ts";
import { downloadRemoteFile } from "../remote-file.ts";
import { refuseSelfModifyingManifest, refuseSelfModifyingRecord } from "../self-modifying.ts";
import { signatureRequirement } from "../signatures.ts";
import { verifyPackage } from "./signing.ts";

/** A package file to install. */
export interface ArchiveInput {
  /** Path, or https: address. */
  readonly source: string;
  /** `sha256:<hex>` that the file's bytes must have. */
  readonly checksum?: string | undefined;
}

/** A package file that was unpacked into the project. */
export interface UnpackedArchive {
  readonly name: string;
  readonly version: string;
  /** Absolute. */
  readonly directory: string;
  /** Takes back what was unpacked now; what was there before stays. */
  undo(): Promise<void>;
}

/** Whether an argument of `install` is a package file: an address that is no Git's, or the path of a file. */
export async function isArchive(argument: string, context: EngineContext): Promise<boolean> {
  if (/^https?:\/\//i.test(argument)) return !looksLikeGit(argument) || isNamedPackage(argument, context);
  if (!/^(?:\.{1,2}\/|\/|~\/)/.test(argument) && !/\.[a-z]{2,}$/i.test(argument)) return false;
  try {
    const found = await stat(path.resolve(context.cwd, argument));
    if (found.isFile()) return true;
    // A directory is a package's source, unless it is called as package files are.
    if (!found.isDirectory() || hasPackageExtension(argument, context)) throw notAPackageFile(argument, found);
    return false;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

function notAPackageFile(argument: string, found: Stats): EngineError {
  return new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot install "${argument}": it is ${kindOf(found)}, not a package file`,
    hint: "Give a package name, a Git address, a directory with a package, or a package file",
  });
}

function isNamedPackage(address: string, context: EngineContext): boolean {
  return hasPackageExtension(URL.parse(address)?.pathname ?? "", context);
}

function hasPackageExtension(name: string, { profile }: EngineContext): boolean {
  return [profile.package.binary, profile.package.source].some(({ extension }) => name.endsWith(extension));
}

/**
 * Verifies a package file, or an archive (zip, tar, tar.gz) of a package's source, and unpacks it below the project, with a record of where it came from beside it. An address
 * needs the checksum or a signature of a trusted key; a file of this machine is taken without both where signatures are
 * not required. The bytes are judged before anything is decompressed.
 * @throws {EngineError} `SOURCE_CHECKSUM_MISMATCH`, `SOURCE_UNVERIFIED`, `SOURCE_EXISTS`, `SOURCE_NO_PACKAGE`, `SIGNATURE_REQUIRED`,
 * `REMOTE_FILE_FAILED`; {ArchiveError} what the strict reader refuses; {SigningError} what is wrong with the signature
 */
export async function unpackArchive(
  input: ArchiveInput,
  project: Project,
  context: EngineContext,
): Promise<UnpackedArchive> {
  const wanted = input.checksum === undefined ? undefined : parseDigest(input.checksum);
  const cache = await cacheDirectory(context);
  const temporary = await makeTemporaryDirectory(cache, "archive-");
  try {
    const local = await obtain(input.source, temporary, context);
    const checksum = await hashFile(local.file);
    if (wanted !== undefined && wanted !== checksum) throw mismatch(input.source, wanted, checksum);
    const signers = await signersOf(local.file, context);
    await judge({ input, checksum, signers, remote: local.remote }, project, context);
    return await unpack({ file: local.file, input, checksum, signers, temporary }, project, context);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function obtain(
  source: string,
  temporary: string,
  context: EngineContext,
): Promise<{ readonly file: string; readonly remote: boolean }> {
  if (!/^https?:\/\//i.test(source)) return { file: path.resolve(context.cwd, source), remote: false };
  const file = path.join(temporary, "package");
  await step(context, "download", `Downloading ${shown(source)}`, async () => {
    await downloadRemoteFile(context, source, file);
    const url = new URL(source);
    url.pathname += ".sig";
    await downloadRemoteFile(context, url.href, `${file}.sig`, { optional: true });
  });
  return { file, remote: true };
}

/** A query may be a signature or a token. */
function shown(source: string): string {
  if (!/^https?:\/\//i.test(source)) return source;
  const { origin, pathname, search } = new URL(source);
  return `${origin}${pathname}${search === "" ? "" : "?..."}`;
}

/** A side file that is there must hold; that there is none is no failure yet. */
async function signersOf(file: string, context: EngineContext): Promise<readonly string[]> {
  const { sideFilePath } = await import("@lading/signing/node");
  return (await exists(sideFilePath(file))) ? (await verifyPackage({ file }, context)).signers : [];
}

interface Evidence {
  readonly input: ArchiveInput;
  readonly checksum: Digest;
  readonly signers: readonly string[];
  readonly remote: boolean;
}

async function judge(
  { input, checksum, signers, remote }: Evidence,
  project: Project,
  context: EngineContext,
): Promise<void> {
  if (signers.length > 0) return;
  const name = shown(input.source);
  if ((await signatureRequirement(context, [], project)) === "required") {
    throw new EngineError({
      code: "SIGNATURE_REQUIRED",
      message: `Cannot install "${name}": there is no signature beside it, and signatures are required`,
      hint: `Get the author's "${path.basename(name)}.sig" and public key; a checksum does not stand in for a signature`,
    });
  }
  if (remote && input.checksum === undefined) {
    throw new EngineError({
      code: "SOURCE_UNVERIFIED",
      message: `Cannot install "${name}": neither a checksum was given nor a signature is beside it; what the address serves now is ${checksum}`,
      hint: `Compare that with what the author publishes elsewhere, and give it: --checksum ${checksum}`,
      checksum,
    });
  }
  context.onEvent({
    type: "warning",
    code: "SIGNATURE_MISSING",
    message: `${name} is not signed; ${input.checksum === undefined ? "nothing vouches for it" : "only its checksum was verified"}`,
  });
}

interface Unpacking {
  readonly file: string;
  readonly input: ArchiveInput;
  readonly checksum: Digest;
  readonly signers: readonly string[];
  /** A directory of this installation alone. */
  readonly temporary: string;
}

/** A tree that is not in its place yet. */
interface Prepared {
  readonly name: string;
  readonly version: string;
  readonly tree: Digest;
  /** Makes the directory, which does not exist. */
  readonly place: (directory: string) => Promise<void>;
}

async function unpack(from: Unpacking, project: Project, context: EngineContext): Promise<UnpackedArchive> {
  const { verifyTree } = await import("@lading/archive/node");
  const { checksum, signers } = from;
  const { name, version, tree, place } = await prepare(from, project, context);
  const directory = path.join(project.root, ARCHIVES_DIRECTORY, `${name.replaceAll("/", "+")}-${version}`);
  const facts = { name, version, directory };
  if (await exists(directory)) {
    if ((await verifyTree(directory, tree, { signal: context.signal })).ok) return { ...facts, undo: async () => {} };
    throw new EngineError({
      code: "SOURCE_EXISTS",
      message: `Cannot unpack "${shown(from.input.source)}": "${displayPath(directory, context.cwd)}" is there with other content`,
      hint: "Delete that directory if nothing of it is yours, and run the command again",
    });
  }
  await makeDirectory(path.dirname(directory));
  await place(directory);
  const note = `${directory}.json`;
  const origin = { source: shown(from.input.source), checksum, tree, signers };
  await writeFileAtomic(note, `${JSON.stringify({ format: 1, name, version, ...origin }, null, 2)}\n`);
  return {
    ...facts,
    async undo() {
      await rm(directory, { recursive: true, force: true });
      await rm(note, { force: true });
      await removeEmptyDirectories(path.dirname(directory), project.root);
    },
  };
}

/** A package file of ours is read strictly; what carries no record of ours is somebody's archive of a source tree. */
async function prepare(from: Unpacking, project: Project, context: EngineContext): Promise<Prepared> {
  const { unpackPackage } = await import("@lading/archive/node");
  const { file, checksum } = from;
  const { signal } = context;
  try {
    const expect = { blob: checksum };
    const { record, tree } = await inspectFile(file, { shown: shown(from.input.source), expect, signal });
    refuseSelfModifyingRecord(project, record);
    const { name, version } = record.manifest;
    const place = async (destination: string): Promise<void> => {
      await unpackPackage({ source: file, destination, expect: { blob: checksum, tree }, signal });
    };
    return { name, version, tree, place };
  } catch (error) {
    const { ArchiveError } = await import("@lading/archive");
    if (!(error instanceof ArchiveError)) throw error;
    return prepareForeign(from, { project, context, error });
  }
}

async function prepareForeign(
  { file, input, temporary }: Unpacking,
  { project, context, error }: { readonly project: Project; readonly context: EngineContext; readonly error: Error },
): Promise<Prepared> {
  const { importForeignArchive } = await import("@lading/archive/node");
  const { ArchiveError, treeDigest } = await import("@lading/archive");
  const source = path.join(temporary, "foreign");
  let files: Awaited<ReturnType<typeof importForeignArchive>>;
  try {
    files = await importForeignArchive({ source: file, destination: source, signal: context.signal });
  } catch (foreign) {
    if (!(foreign instanceof ArchiveError)) throw foreign;
    // Of what is no archive at all, or is a damaged package of ours, the strict reader has said the truth.
    const same = ["ARCHIVE_FORMAT_UNKNOWN", "ARCHIVE_TRUNCATED", "ARCHIVE_PATH_RESERVED"].includes(foreign.code);
    throw same ? error : await toldOf(shown(input.source), foreign);
  }
  // What says that it is a package of ours is held to what that means.
  if (files.some((one) => one.path === ".lading/package.json")) throw error;
  const found = await manifestIn(context, source);
  // The directory is gone in a moment, and no manifest of the project's.
  for (const seen of context.manifestsSeen.keys()) if (seen.startsWith(temporary)) context.manifestsSeen.delete(seen);
  const info = found?.manifest.package;
  if (found === undefined || info === undefined) throw noPackage(input.source, context);
  refuseSelfModifyingManifest(project, found.manifest);
  return {
    name: parsePackageName(info.name),
    version: info.version,
    tree: treeDigest(files),
    place: (directory) => moveDirectory(source, directory),
  };
}

function noPackage(source: string, { profile }: EngineContext): EngineError {
  const names = profile.manifest.files.map(({ name }) => `"${name}"`).join(" or ");
  return new EngineError({
    code: "SOURCE_NO_PACKAGE",
    message: `Cannot install "${shown(source)}": the archive has no ${names} with a package in it`,
    hint: "Name an archive with the manifest at its top, or in the one folder that wraps everything",
  });
}

/** One rename where both are on one disk, else a copy beside the place and then the rename. */
async function moveDirectory(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!hasErrno(error, "EXDEV")) throw error;
    const beside = `${to}.${randomBytes(4).toString("hex")}.tmp`;
    try {
      await cp(from, beside, { recursive: true });
      await rename(beside, to);
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
  }
}

function mismatch(source: string, wanted: Digest, found: Digest): EngineError {
  return new EngineError({
    code: "SOURCE_CHECKSUM_MISMATCH",
    message: `Cannot install "${shown(source)}": its checksum is ${found}, --checksum says ${wanted}`,
    hint: "Do not use the file before you know why: it was replaced, cut short, or the checksum is another version's",
    found,
    wanted,
  });
}
