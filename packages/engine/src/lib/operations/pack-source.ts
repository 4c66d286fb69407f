import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isPackUrl, parseDigest, type Digest, type PackInstallSource } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, fileError, hashFile } from "../files.ts";
import { describeCheckout } from "../git-worktree.ts";
import { loadProject, type Member, type Project } from "../project.ts";
import { hashRemoteFile } from "../remote-file.ts";
import { packMember } from "./pack.ts";

/** Where a pack can be had from, as its maintainer says it. */
export interface PackSourceInput {
  /** HTTPS address of the Git repository, or `owner/name` on GitHub. */
  readonly gitUrl?: string | undefined;
  /** Tag, branch or commit. Default: the tag, else the commit, that is checked out in the pack's directory. */
  readonly gitRef?: string | undefined;
  readonly archiveUrl?: string | undefined;
  /** Default: the archive is downloaded and summed. */
  readonly archiveChecksum?: string | undefined;
}

/** A checksum, shaped so that with an address it is an install source of a flat index. */
export interface ChecksumResult {
  readonly path: string;
  readonly type: "git" | "archive";
  readonly url?: string;
  readonly ref?: string;
  readonly checksum: Digest;
}

/**
 * Sums a package directory (by the profile's rule) or the bytes of a file.
 * @throws {EngineError} `PROJECT_FILE_UNREADABLE`; {ArchiveError} what is wrong with the directory's files
 */
export async function checksum(
  input: PackSourceInput & { readonly path: string },
  context: EngineContext,
): Promise<ChecksumResult> {
  const target = path.resolve(context.cwd, input.path);
  const shown = displayPath(target, context.cwd);
  if (!(await isDirectory(target))) {
    const url = input.archiveUrl === undefined ? {} : { url: packUrl(input.archiveUrl) };
    return { path: shown, type: "archive", ...url, checksum: await hashFile(target) };
  }
  const git = await gitPlace(input, target, context);
  return { path: shown, type: "git", ...git, checksum: await directoryChecksum(target, context) };
}

async function isDirectory(target: string): Promise<boolean> {
  try {
    return (await stat(target)).isDirectory();
  } catch (error) {
    throw fileError("read", target, error);
  }
}

/** The checksum of a directory, as the ecosystem defines it: of every file, or of what its package would hold. */
export async function directoryChecksum(directory: string, context: EngineContext): Promise<Digest> {
  if (context.profile.directoryChecksum === "attune-pack") {
    const { attuneDirectoryChecksum } = await import("@lading/archive/node");
    return attuneDirectoryChecksum(directory);
  }
  const { project, member } = await packAt(directory, context);
  const temporary = await mkdtemp(path.join(tmpdir(), "checksum-"));
  try {
    const file = path.join(temporary, "package");
    const packed = await packMember({ project, member, input: { compress: "none" }, file }, context);
    return packed.tree!;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The package whose manifest is in this directory itself. */
export async function packAt(
  directory: string,
  context: EngineContext,
): Promise<{ readonly project: Project; readonly member: Member }> {
  const project = await loadProject({ ...context, cwd: directory });
  const member = project.members.find((one) => one.directory === directory);
  if (member !== undefined) return { project, member };
  const names = context.profile.manifest.files.map(({ name }) => `"${name}"`).join(" or ");
  throw new EngineError({
    code: "PROJECT_NOT_FOUND",
    message: `Cannot find ${names} in "${displayPath(directory, context.cwd)}"`,
  });
}

/** Where Git has a pack. */
export interface GitPlace {
  readonly url?: string;
  readonly ref?: string;
}

/** Address and reference of a Git source, where one is to be listed. */
export async function gitPlaceOf(input: PackSourceInput, directory: string, context: EngineContext): Promise<GitPlace> {
  return input.gitUrl !== undefined || input.archiveUrl === undefined ? gitPlace(input, directory, context) : {};
}

/** Address and reference of a Git source: as given, else what is checked out there. */
async function gitPlace(input: PackSourceInput, directory: string, context: EngineContext): Promise<GitPlace> {
  const checkout =
    input.gitUrl !== undefined && input.gitRef !== undefined ? {} : await describeCheckout(context, directory);
  const url = input.gitUrl ?? checkout.url;
  const ref = input.gitRef ?? checkout.ref;
  return { ...(url === undefined ? {} : { url: packUrl(url) }), ...(ref === undefined ? {} : { ref }) };
}

// `${{ github.repository }}` is `owner/name`.
const GITHUB_REPOSITORY = /^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/;

/**
 * An address as a flat index may hold it.
 * @throws {EngineError} `INDEX_SOURCE_INVALID`
 */
export function packUrl(given: string): string {
  const url = GITHUB_REPOSITORY.test(given) ? `https://github.com/${given}` : given;
  if (isPackUrl(url)) return url;
  throw new EngineError({
    code: "INDEX_SOURCE_INVALID",
    message: `Cannot list "${url.replace(/\/\/[^/@]*@/, "//***@")}" in an index: it is no https: address without credentials`,
  });
}

/**
 * Install sources with their checksums.
 * @param directory has the files of the Git source
 * @throws {EngineError} `INDEX_SOURCE_INVALID`
 */
export async function installSources(
  input: PackSourceInput & { readonly git: GitPlace },
  directory: string,
  context: EngineContext,
): Promise<PackInstallSource[]> {
  const sources: PackInstallSource[] = [];
  const git = await gitSource(input.git, directory, context);
  if (git !== undefined) sources.push(git);
  if (input.archiveUrl !== undefined) sources.push(await archiveSource(input, input.archiveUrl, context));
  if (sources.length > 0) return sources;
  throw new EngineError({
    code: "INDEX_SOURCE_INVALID",
    message: "Cannot make an index entry without an address that the pack can be installed from",
    hint: "Give --git-url URL with --git-ref REF, or --archive-url URL",
  });
}

async function gitSource(
  { url, ref }: GitPlace,
  directory: string,
  context: EngineContext,
): Promise<PackInstallSource | undefined> {
  if (url === undefined) return undefined;
  if (ref === undefined) {
    throw new EngineError({
      code: "INDEX_SOURCE_INVALID",
      message: `Cannot list "${url}" in an index without a tag, branch or commit, and the pack's directory is no Git checkout`,
      hint: "Give --git-ref REF",
    });
  }
  return { type: "git", url, ref, checksum: await directoryChecksum(directory, context) };
}

async function archiveSource(
  { archiveChecksum }: PackSourceInput,
  given: string,
  context: EngineContext,
): Promise<PackInstallSource> {
  const url = packUrl(given);
  const checksum = archiveChecksum === undefined ? await hashRemoteFile(context, url) : parseDigest(archiveChecksum);
  return { type: "archive", url, checksum };
}
