import path from "node:path";
import {
  ManifestError,
  type Digest,
  type PackageCodec,
  type PackageFormat,
  type PackageKind,
  type PackageManifest,
} from "@lading/core-manifest";
import type { CollectedFile } from "@lading/archive/node";
import { ARCHIVES_DIRECTORY } from "../archives-directory.ts";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { proofsPath } from "../lock-proofs.ts";
import { displayPath, makeDirectory } from "../files.ts";
import { recordOf } from "../local-artefact.ts";
import { readRegistries } from "../configured-registries.ts";
import {
  chooseMembers,
  isPackageDirectory,
  loadProject,
  type Member,
  type MemberChoice,
  type Project,
} from "../project.ts";

/** What is packed, and how. */
export interface PackInput extends MemberChoice {
  /** Path of the manifest. Default: found at or above the working directory. */
  readonly manifest?: string | undefined;
  /** Directory of the package, in place of the working directory. */
  readonly source?: string | undefined;
  /** Directory for the file. Default: the profile's, below the package; below the working directory with `source`. */
  readonly output?: string | undefined;
  /** Default: the profile's. */
  readonly kind?: PackageKind | undefined;
  readonly compress?: PackageCodec | undefined;
  /** Smallest file, at more time. */
  readonly release?: boolean | undefined;
  /** `any` (default), or a target triple. */
  readonly target?: string | undefined;
  /** Say what would be packed, and write nothing. */
  readonly dryRun?: boolean | undefined;
}

/** A package file that was made, or with `dryRun` would be. */
export interface PackedPackage {
  readonly name: string;
  readonly version: string;
  readonly kind: PackageKind;
  readonly target: string;
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  readonly files: number;
  /** Absent with `dryRun`. */
  readonly size?: number;
  readonly plainSize?: number;
  readonly checksum?: Digest;
  readonly tree?: Digest;
  /** Paths, in order. */
  readonly contents: readonly string[];
}

/**
 * Builds package files, one for each chosen member: `<name>-<version><extension>` in the output directory.
 * @throws {ManifestError} `MANIFEST_INVALID`; {ArchiveError} what is wrong with the files
 */
export async function pack(input: PackInput, context: EngineContext): Promise<readonly PackedPackage[]> {
  const inside = input.source === undefined ? context : { ...context, cwd: path.resolve(context.cwd, input.source) };
  const project = await loadProject(inside, input.manifest);
  const members =
    input.manifest === undefined
      ? chooseMembers(project, input)
      : project.members.filter(({ path: file }) => file === path.resolve(inside.cwd, input.manifest!));
  const packed: PackedPackage[] = [];
  for (const member of members) {
    try {
      packed.push(await packMember({ project, member, input }, context));
    } catch (error) {
      throw asPackError(error);
    }
  }
  return packed;
}

/** Nobody has asked to publish: what stands in the way is a mistake of the manifest. */
function asPackError(error: unknown): unknown {
  if (!(error instanceof ManifestError) || error.code !== "MANIFEST_NOT_PUBLISHABLE") return error;
  const reword = (message: string): string => message.replace(/^Cannot publish /, "Cannot pack ");
  return new ManifestError({
    code: "MANIFEST_INVALID",
    message: reword(error.message),
    hint: error.hint,
    ...(error.location === undefined ? {} : { location: error.location }),
    diagnostics: error.diagnostics.map((found) => ({ ...found, message: reword(found.message) })),
  });
}

/** One member to pack. */
export interface PackRequest {
  readonly project: Project;
  readonly member: Member;
  readonly input: PackInput;
  /** Path to write to, in place of the package file's own in the output directory. */
  readonly file?: string | undefined;
  /** Directory to write to, in place of the output directory. */
  readonly place?: string | undefined;
}

/** Packs one member. */
export async function packMember(
  { project, member, input, file: elsewhere, place }: PackRequest,
  context: EngineContext,
): Promise<PackedPackage> {
  const { packDirectory } = await import("@lading/archive/node");
  const { name, version } = member.manifest.package!;
  const kind = input.kind ?? context.profile.package.defaultKind;
  const target = input.target ?? (kind === "source" ? "source" : "any");
  const format = formatOf(context.profile.package[kind], input.compress);
  const directory = outputDirectory(member, input, context);
  const own = artefactName({ name, version, target, extension: format.extension });
  const file = elsewhere ?? path.join(place ?? directory, own);
  const { registries } = await readRegistries(context);
  const record = recordOf(member.manifest, {
    registryUrls: new Map(registries.map((registry) => [registry.name, registry.url])),
    manifestFile: path.basename(member.path),
    kind,
    target,
    versionOf: (wanted) => versionInProject(project, wanted),
  });
  const files = await collectMember({ project, member, directory }, context);
  const common = {
    name,
    version,
    kind,
    target,
    file: displayPath(file, context.cwd),
    path: file,
    files: files.length,
    contents: files.map((one) => one.path),
  };
  if (input.dryRun === true) return common;
  await makeDirectory(path.dirname(file));
  const { blob, size, tree, plainSize } = await packDirectory({
    directory: member.directory,
    files,
    record,
    output: file,
    codec: format.codec,
    release: input.release,
    onEvent: context.onEvent,
    signal: context.signal,
  });
  return { ...common, size, plainSize, checksum: blob, tree };
}

function outputDirectory(member: Member, input: PackInput, context: EngineContext): string {
  if (input.output !== undefined) return path.resolve(context.cwd, input.output);
  return path.join(
    input.source === undefined ? member.directory : context.cwd,
    context.profile.package.outputDirectory,
  );
}

/** A member whose files are looked for. */
interface CollectRequest {
  readonly project: Project;
  readonly member: Member;
  /** Where packages are written. Default: the profile's directory. */
  readonly directory?: string;
}

/** The files of a member that go into its package; also what `check` looks at. */
export async function collectMember(request: CollectRequest, context: EngineContext): Promise<CollectedFile[]> {
  const { collectFiles } = await import("@lading/archive/node");
  const { member } = request;
  const files = await collectFiles(member.directory, {
    ...collectRules(request, context),
    isPackage: (directory, names) => isPackageDirectory(context, directory, names),
    onEvent: context.onEvent,
    signal: context.signal,
  });
  // What the author has selected is meant.
  if (member.manifest.package!.include.length > 0) return files;
  const stray = files.filter((file) => isStrayArtefact(file.path, context));
  for (const { path: file } of stray) {
    context.onEvent({
      type: "info",
      message: `Left out "${file}": it is a package file; name it in include to pack it`,
    });
  }
  return files.filter((file) => !stray.includes(file));
}

/** `fetch` puts package files where it is run: named with a version, beside the manifest. */
function isStrayArtefact(file: string, { profile }: EngineContext): boolean {
  const name = file.replace(/\.(?:sig|proof)$/, "");
  const { binary, source } = profile.package;
  return [binary, source].some(({ extension }) => name.endsWith(extension)) && /^[^/]+-\d+\.\d+\.\d+[^/]*$/.test(name);
}

function collectRules(
  { project, member, directory }: CollectRequest,
  { profile }: EngineContext,
): { include: readonly string[]; exclude: string[]; ignore: string[]; manifestFile: string } {
  const { include, exclude } = member.manifest.package!;
  const output = directory ?? path.join(member.directory, profile.package.outputDirectory);
  return {
    include,
    // Without a slash at its end: what is installed is a link.
    exclude: [
      ...exclude,
      `/${profile.install.directory}`,
      // It changes with every lock, and proves nothing of this package.
      `/${path.basename(proofsPath(project.lockFile))}`,
      // Others' packages, which the manifest names with a version.
      `/${ARCHIVES_DIRECTORY}/`,
      ...below(member, output),
      ...artefactsIn(member, output, profile),
    ],
    // Packages inside this one's directory are packages of their own.
    ignore: [...profile.ignore, ...project.members.flatMap((other) => below(member, other.directory))],
    manifestFile: path.basename(member.path),
  };
}

function below(member: Member, directory: string): string[] {
  const relative = path.relative(member.directory, directory).split(path.sep).join("/");
  return relative === "" || relative.startsWith("..") ? [] : [`/${relative}/`];
}

/** Where packages are written among the files themselves, an earlier one is no part of the next. */
function artefactsIn(member: Member, output: string, { package: formats }: EngineContext["profile"]): string[] {
  if (path.relative(member.directory, output) !== "") return [];
  const name = member.manifest.package!.name.replaceAll("/", "-");
  return [...new Set([formats.binary.extension, formats.source.extension])].map(
    (extension) => `/${name}-*${extension}*`,
  );
}

function versionInProject(project: Project, name: string): string | undefined {
  return project.members.find((member) => member.name === name)?.manifest.package?.version;
}

/** File name of an artefact; a namespace's slash becomes a dash, `any` and `source` are not named. */
export function artefactName(facts: {
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly extension: string;
}): string {
  const target = facts.target === "any" || facts.target === "source" ? "" : `-${facts.target}`;
  return `${facts.name.replaceAll("/", "-")}-${facts.version}${target}${facts.extension}`;
}

const TAR_EXTENSIONS: Readonly<Record<PackageCodec, string>> = {
  gzip: ".tar.gz",
  zstd: ".tar.zst",
  lz4: ".tar.lz4",
  none: ".tar",
};

/** The profile's format with another codec; an extension that names its codec changes with it. */
export function formatOf(format: PackageFormat, codec: PackageCodec | undefined): PackageFormat {
  if (codec === undefined || codec === format.codec) return format;
  return { codec, extension: format.extension.startsWith(".tar") ? TAR_EXTENSIONS[codec] : format.extension };
}

/**
 * The manifest of a member that may be published.
 * @throws {EngineError} `PUBLISH_FORBIDDEN`
 */
export function checkPublishable(manifest: PackageManifest, registry: string): void {
  const { publish, name } = manifest.package!;
  if (publish === undefined || publish === true) return;
  if (publish !== false && publish.includes(registry)) return;
  throw new EngineError({
    code: "PUBLISH_FORBIDDEN",
    message:
      publish === false
        ? `Cannot publish "${name}": its manifest says publish = false`
        : `Cannot publish "${name}" to registry "${registry}": its manifest allows ${publish.map((one) => `"${one}"`).join(", ")}`,
  });
}
