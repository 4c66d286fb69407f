import type { Stats } from "node:fs";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { parseDigest, type Digest } from "@lading/core-manifest";
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
  writeFileAtomic,
} from "../files.ts";
import { looksLikeGit } from "../git.ts";
import { inspectFile } from "../inspect-file.ts";
import type { Project } from "../project.ts";
import { downloadRemoteFile } from "../remote-file.ts";
import { refuseSelfModifyingRecord } from "../self-modifying.ts";
import { signatureRequirement } from "../signatures.ts";
import { verifyPackage } from "./signing.ts";

/** Below a project's root: unpacked package files that its manifest names by path. */
export const ARCHIVES_DIRECTORY = "vendor/packages";

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
 * Verifies a package file and unpacks it below the project, with a record of where it came from beside it. An address
 * needs the checksum or a signature of a trusted key; a file of this machine is taken without both where signatures are
 * not required. The bytes are judged before anything is decompressed.
 * @throws {EngineError} `SOURCE_CHECKSUM_MISMATCH`, `SOURCE_UNVERIFIED`, `SOURCE_EXISTS`, `SIGNATURE_REQUIRED`,
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
    return await unpack({ file: local.file, input, checksum, signers }, project, context);
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

async function unpack(
  from: {
    readonly file: string;
    readonly input: ArchiveInput;
    readonly checksum: Digest;
    readonly signers: readonly string[];
  },
  project: Project,
  context: EngineContext,
): Promise<UnpackedArchive> {
  const { unpackPackage, verifyTree } = await import("@lading/archive/node");
  const { file, checksum, signers } = from;
  const { record, tree } = await inspectFile(file, {
    shown: shown(from.input.source),
    expect: { blob: checksum },
    signal: context.signal,
  });
  refuseSelfModifyingRecord(project, record);
  const { name, version } = record.manifest;
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
  await unpackPackage({
    source: file,
    destination: directory,
    expect: { blob: checksum, tree },
    signal: context.signal,
  });
  const note = `${directory}.json`;
  const origin = { source: shown(from.input.source), checksum, tree, signers };
  await writeFileAtomic(note, `${JSON.stringify({ format: 1, name, version, ...origin }, null, 2)}\n`);
  return {
    ...facts,
    async undo() {
      await rm(directory, { recursive: true, force: true });
      await rm(note, { force: true });
    },
  };
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
