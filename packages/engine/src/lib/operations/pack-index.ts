import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  PACK_COMPONENTS,
  PACK_INDEX_VERSION,
  checkPackEntry,
  checkPackIndex,
  isPackUrl,
  mergePackIndexes,
  orderPackEntry,
  parseDigest,
  parsePackComponent,
  parsePackIndex,
  renderPackIndex,
  updatePackIndex,
  type Digest,
  type MergedPackIndex,
  type PackComponent,
  type PackIndex,
  type PackIndexEntry,
  type PackIndexProblem,
  type PackInstallSource,
  type PackageInfo,
  type PackageManifest,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, hasErrno, readText, writeFileAtomic } from "../files.ts";
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
    throw unreadable(target, error);
  }
}

async function hashFile(file: string): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw unreadable(file, error);
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

function unreadable(file: string, cause: unknown): EngineError {
  return new EngineError({
    code: "PROJECT_FILE_UNREADABLE",
    message: `Cannot read "${file}": ${cause instanceof Error ? cause.message : String(cause)}`,
    file,
    cause,
  });
}

/** The checksum of a directory, as the ecosystem defines it: of every file, or of what its package would hold. */
async function directoryChecksum(directory: string, context: EngineContext): Promise<Digest> {
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

async function packAt(
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

/** Address and reference of a Git source: as given, else what is checked out there. */
async function gitPlace(
  input: PackSourceInput,
  directory: string,
  context: EngineContext,
): Promise<{ readonly url?: string; readonly ref?: string }> {
  const checkout =
    input.gitUrl !== undefined && input.gitRef !== undefined ? {} : await describeCheckout(context, directory);
  const url = input.gitUrl ?? checkout.url;
  const ref = input.gitRef ?? checkout.ref;
  return { ...(url === undefined ? {} : { url: packUrl(url) }), ...(ref === undefined ? {} : { ref }) };
}

// `${{ github.repository }}` is `owner/name`.
const GITHUB_REPOSITORY = /^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/;

function packUrl(given: string): string {
  const url = GITHUB_REPOSITORY.test(given) ? `https://github.com/${given}` : given;
  if (isPackUrl(url)) return url;
  throw new EngineError({
    code: "INDEX_SOURCE_INVALID",
    message: `Cannot list "${url.replace(/\/\/[^/@]*@/, "//***@")}" in an index: it is no https: address without credentials`,
  });
}

/** What an entry is made of. */
export interface IndexEntryInput extends PackSourceInput {
  /** Directory of the pack. Default: the working directory. */
  readonly pack?: string | undefined;
}

/**
 * Makes a pack's entry for a flat index: everything that its manifest and components say, and its install sources
 * with their checksums.
 * @throws {EngineError} `INDEX_SOURCE_INVALID`, `PROJECT_NOT_FOUND`; {CoreError} `PACK_INDEX_INVALID`, `PACK_COMPONENT_INVALID`
 */
export async function indexEntry(input: IndexEntryInput, context: EngineContext): Promise<PackIndexEntry> {
  const directory = path.resolve(context.cwd, input.pack ?? ".");
  const { member } = await packAt(directory, context);
  const entry = {
    ...describePack(member.manifest),
    install_sources: await installSources(input, directory, context),
    contents: await readContents(member),
  };
  return orderPackEntry(checkPackEntry(entry));
}

function describePack(manifest: PackageManifest): Readonly<Record<string, unknown>> {
  const own: PackageInfo = manifest.package!;
  const { extra } = manifest;
  const [author = "", mail] = splitAuthor(own.authors[0]);
  return {
    ref: own.name,
    label: own.title ?? own.name,
    description: own.description ?? "",
    use_case: extra["use_case"],
    version: own.version,
    author: author === "" ? undefined : author,
    email: extra["email"] ?? mail,
    homepage: own.homepage,
    repository: own.repository,
    license: own.license,
    keywords: [...own.keywords],
    runtime_deps: manifest.runtimes.map(({ runtime, requirement }) => `${runtime}${requirement ?? ""}`),
    dependencies: describeDependencies(manifest),
    meta: extra["meta"],
  };
}

function splitAuthor(text: string | undefined): string[] {
  const match = /^(.*?)\s*<([^<>]*)>$/.exec(text ?? "");
  return match === null ? [text ?? ""] : [match[1]!, match[2]!];
}

function describeDependencies({ dependencies, hosts }: PackageManifest): Readonly<Record<string, unknown>> {
  const packs = dependencies
    .filter(({ kind }) => kind === "normal")
    .map(({ name, requirement }) =>
      requirement === undefined || requirement === "*" ? name : `${name}@${requirement}`,
    );
  const host = (axis: string): string | undefined => hosts[axis];
  return {
    attune_version: host("attune"),
    python_version: host("python"),
    nodejs_version: host("nodejs"),
    packs,
  };
}

async function installSources(
  input: PackSourceInput,
  directory: string,
  context: EngineContext,
): Promise<PackInstallSource[]> {
  const sources: PackInstallSource[] = [];
  if (input.gitUrl !== undefined || input.archiveUrl === undefined) {
    const source = await gitSource(input, directory, context);
    if (source !== undefined) sources.push(source);
  }
  if (input.archiveUrl !== undefined) sources.push(await archiveSource(input, input.archiveUrl, context));
  if (sources.length > 0) return sources;
  throw new EngineError({
    code: "INDEX_SOURCE_INVALID",
    message: "Cannot make an index entry without an address that the pack can be installed from",
    hint: "Give --git-url URL with --git-ref REF, or --archive-url URL",
  });
}

async function gitSource(
  input: PackSourceInput,
  directory: string,
  context: EngineContext,
): Promise<PackInstallSource | undefined> {
  const { url, ref } = await gitPlace(input, directory, context);
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

/** Components from their files, else from the manifest's own table. */
async function readContents(member: Member): Promise<PackIndexEntry["contents"]> {
  const listed = member.manifest.extra["contents"] as Partial<PackIndexEntry["contents"]> | undefined;
  const kinds = await Promise.all(
    PACK_COMPONENTS.map(async (kind) => {
      const found = await readComponents(member, kind);
      return [kind, found.length > 0 ? found : (listed?.[kind] ?? [])] as const;
    }),
  );
  return Object.fromEntries(kinds) as PackIndexEntry["contents"];
}

async function readComponents(member: Member, kind: string): Promise<PackComponent[]> {
  const directory = path.join(member.directory, kind);
  const names = await listYaml(directory);
  const read = names.map(async (name) => {
    const file = path.join(directory, name);
    return parsePackComponent(await readText(file), { file: path.join(kind, name), pack: member.name });
  });
  return (await Promise.all(read)).sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function listYaml(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name)).map(({ name }) => name);
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw unreadable(directory, error);
  }
}

/** An entry and the index file that it goes into. */
export interface IndexUpdateInput extends IndexEntryInput {
  readonly index: string;
  /** Replace an entry that is there. */
  readonly update?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What was done to an index. */
export interface IndexUpdateResult {
  readonly file: string;
  readonly ref: string;
  readonly version: string;
  readonly before?: string;
  readonly change: "added" | "updated" | "unchanged";
  readonly packs: number;
  readonly entry: PackIndexEntry;
}

/**
 * Puts a pack's entry into a flat index file, which is replaced as a whole or not at all.
 * @throws {EngineError} `INDEX_FILE_MISSING`; {CoreError} `PACK_INDEX_DUPLICATE`, `PACK_INDEX_INVALID`
 */
export async function indexUpdate(input: IndexUpdateInput, context: EngineContext): Promise<IndexUpdateResult> {
  const file = path.resolve(context.cwd, input.index);
  const shown = displayPath(file, context.cwd);
  const current = await readIndex(file, shown);
  const entry = await indexEntry(input, context);
  const now = new Date(context.now());
  const { index, change, before } = updatePackIndex(current, entry, { update: input.update === true, now });
  if (change !== "unchanged" && input.dryRun !== true) await writeFileAtomic(file, renderPackIndex(index));
  const packs = index.packs.length;
  return { file: shown, ref: entry.ref, version: entry.version, ...(before && { before }), change, packs, entry };
}

async function readIndex(file: string, shown: string): Promise<PackIndex> {
  if (await exists(file)) return parsePackIndex(await readText(file), shown);
  throw new EngineError({
    code: "INDEX_FILE_MISSING",
    message: `Cannot update the index "${shown}": there is no such file`,
    hint: "Correct --index, or make a registry with index-init DIR --url URL",
    file,
  });
}

/** Name and address of a new index. */
export interface IndexHead {
  readonly name?: string | undefined;
  /** HTTPS address. */
  readonly url?: string | undefined;
}

function emptyIndex({ name, url }: IndexHead, context: EngineContext): PackIndex {
  const address = url ?? context.profile.registry.defaultUrl;
  if (address === undefined) {
    throw new EngineError({
      code: "INDEX_SOURCE_INVALID",
      message: "Cannot make an index without the address that it will be served from",
      hint: "Run index-init with --url URL",
    });
  }
  return {
    registry_name: name ?? `${context.profile.title}: index`,
    registry_url: packUrl(address),
    version: PACK_INDEX_VERSION,
    last_updated: new Date(context.now()).toISOString().replace(/\.\d+Z$/, "Z"),
    packs: [],
  };
}

/** Indexes to merge. */
export interface IndexMergeInput {
  readonly inputs: readonly string[];
  readonly output: string;
  /** Replace the output where it is there. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What a merge came to. */
export interface IndexMergeResult extends Omit<MergedPackIndex, "index"> {
  readonly file: string;
  readonly inputs: number;
}

/**
 * Merges flat indexes into one: of two entries for one pack the one of the higher version stays.
 * @throws {EngineError} `INDEX_FILE_EXISTS`, `PROJECT_FILE_UNREADABLE`; {CoreError} `PACK_INDEX_INVALID`, `PACK_INDEX_CONFLICT`
 */
export async function indexMerge(input: IndexMergeInput, context: EngineContext): Promise<IndexMergeResult> {
  const file = path.resolve(context.cwd, input.output);
  const shown = displayPath(file, context.cwd);
  if (input.force !== true && (await exists(file))) {
    throw new EngineError({
      code: "INDEX_FILE_EXISTS",
      message: `Cannot write the merged index: "${shown}" is there already`,
      hint: "Give --force to replace it",
      file,
    });
  }
  const indexes = await Promise.all(
    input.inputs.map(async (one) => {
      const source = path.resolve(context.cwd, one);
      return parsePackIndex(await readText(source), displayPath(source, context.cwd));
    }),
  );
  const { index, ...counts } = mergePackIndexes(indexes, new Date(context.now()));
  if (input.dryRun !== true) await writeFileAtomic(file, renderPackIndex(index));
  return { file: shown, inputs: indexes.length, ...counts };
}

/** What is wrong with one index file. */
export interface CheckedIndexFile {
  readonly file: string;
  readonly packs: number;
  readonly problems: readonly PackIndexProblem[];
}

/** Checks flat index files against their schema and lists every mistake. */
export async function indexValidate(
  input: { readonly files: readonly string[] },
  context: EngineContext,
): Promise<readonly CheckedIndexFile[]> {
  return Promise.all(
    input.files.map(async (one) => {
      const file = path.resolve(context.cwd, one);
      const { index, problems } = checkPackIndex(await readText(file));
      return { file: displayPath(file, context.cwd), packs: index?.packs.length ?? 0, problems };
    }),
  );
}

/** Where a template repository is made. */
export interface IndexInitInput extends IndexHead {
  readonly directory: string;
  readonly dryRun?: boolean | undefined;
}

/**
 * Makes the directory of a static registry: an empty index, a note for contributors and a place for packs. What is
 * there already is never touched.
 * @throws {EngineError} `INDEX_FILE_EXISTS`, `INDEX_SOURCE_INVALID`
 */
export async function indexInit(
  input: IndexInitInput,
  context: EngineContext,
): Promise<{ readonly files: readonly string[] }> {
  const directory = path.resolve(context.cwd, input.directory);
  const index = emptyIndex(input, context);
  const files = new Map([
    ["index.json", renderPackIndex(index)],
    ["README.md", templateReadme(index, context)],
    [".gitattributes", "index.json text eol=lf\n"],
  ]);
  for (const name of files.keys()) await refuseExisting(path.join(directory, name), context);
  if (input.dryRun !== true) {
    await mkdir(directory, { recursive: true });
    for (const [name, text] of files) await writeFileAtomic(path.join(directory, name), text);
  }
  return { files: [...files.keys()].map((name) => displayPath(path.join(directory, name), context.cwd)) };
}

async function refuseExisting(file: string, context: EngineContext): Promise<void> {
  if (!(await exists(file))) return;
  throw new EngineError({
    code: "INDEX_FILE_EXISTS",
    message: `Cannot make the registry: "${displayPath(file, context.cwd)}" is there already`,
    hint: "Choose an empty directory",
    file,
  });
}

function templateReadme({ registry_name: name }: PackIndex, { profile }: EngineContext): string {
  const bin = profile.bins[0]!.name;
  const spelled = (command: string): string => {
    const own = profile.bins[0]!.commands.find((one) => one.command === command);
    return `${bin} ${own?.spelling ?? command}`;
  };
  return `# ${name}

A static registry: \`index.json\` lists every pack with the places that it can be installed from. Any web server can serve it.

Add a pack, or its next version:

\`\`\`sh
${spelled("index-update")} --index index.json path/to/pack --git-url https://github.com/OWNER/PACK --git-ref v1.0.0 --update
${spelled("index-validate")} index.json
git add index.json && git commit -m "Update the index" && git push
\`\`\`

Each source has the checksum of what is installed from it; an installation of other bytes is refused. Never write tokens into addresses.
`;
}
