import { readFileSync } from "node:fs";
import path from "node:path";
import {
  canonicalName,
  dialectOf,
  parseManifest,
  readManifest,
  tryParsePackageName,
  type Diagnostic,
  type DialectId,
  type PackageManifest,
  type WorkspaceTable,
} from "@lading/core-manifest";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { activeEnvironment, chosenEnvironment, readEnvironment } from "./named-environment.ts";
import { displayPath, readBytes, readText, readTextIfExists } from "./files.ts";
import { matchDirectories } from "./workspace-match.ts";

/** A manifest on disk. */
export interface ManifestFile {
  /** Absolute. */
  readonly path: string;
  /** As shown in messages. */
  readonly display: string;
  readonly dialect: DialectId;
  readonly text: string;
  readonly manifest: PackageManifest;
}

/** A package of the project: the only one, or a workspace member. */
export interface Member extends ManifestFile {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
  /** Relative to the project's root, `/` separated; `.` for the root itself. */
  readonly relative: string;
}

/** What commands work on: one manifest, or a workspace of several with one lock. */
export interface Project {
  /** Absolute; where the lock file and the installed packages are. */
  readonly root: string;
  readonly rootFile: ManifestFile;
  /** The root's name, or its directory's where the root has no package. */
  readonly name: string;
  /** Sorted by name; never empty but in a workspace without packages. */
  readonly members: readonly Member[];
  /** The member whose directory the command was started in. */
  readonly current: Member | undefined;
  readonly lockFile: string;
  /** Absolute directories that the workspace's patterns matched, with a manifest or without; sorted. */
  readonly matched: readonly string[];
}

/**
 * Finds the manifest at or above a directory and, around it, the workspace that it is a member of.
 * @throws {EngineError} `PROJECT_NOT_FOUND`, `WORKSPACE_INVALID`; ManifestError `MANIFEST_INVALID` with every mistake
 */
export async function loadProject(context: EngineContext, manifestPath?: string): Promise<Project> {
  const nearest =
    manifestPath === undefined
      ? await findManifest(context, context.cwd)
      : await readManifestFile(context, path.resolve(context.cwd, manifestPath));
  if (nearest === undefined) throw notFound(context);
  const rootFile = await findWorkspaceRoot(context, nearest);
  const project = await assemble(context, rootFile, nearest);
  const config = rootFile.manifest.extra["config"];
  if (typeof config === "object" && config !== null) {
    context.useProjectSettings(config as Record<string, unknown>, rootFile.display);
  }
  const named = await readEnvironment(context, project.root);
  for (const [axis, version] of Object.entries(named?.hosts ?? {})) context.pinnedHosts.set(axis, version);
  return project;
}

/** A manifest with its mistakes, whatever they are. */
export interface LooseManifest {
  /** Absolute. */
  readonly path: string;
  readonly manifest?: PackageManifest | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** What can be known of a project with a broken manifest. */
export interface LooseProject {
  /** Absolute. */
  readonly root: string;
  /** The root's and every member's, good or bad. */
  readonly manifests: readonly LooseManifest[];
}

/** The manifests of the project around the working directory, none of which has to be good. */
export async function loadLooseProject(context: EngineContext): Promise<LooseProject> {
  const nearest = await firstLoose(context, context.cwd, () => true);
  if (nearest === undefined) return { root: context.cwd, manifests: [] };
  const home = path.dirname(nearest.path);
  const root = await firstLoose(context, home, async ({ path: file, manifest }) => {
    if (manifest?.workspace === undefined) return false;
    const directory = path.dirname(file);
    return directory === home || (await matchDirectories(directory, manifest.workspace)).includes(home);
  });
  const workspace = root?.manifest?.workspace;
  if (root === undefined || workspace === undefined) return { root: home, manifests: [nearest] };
  const directory = path.dirname(root.path);
  const matched = await matchDirectories(directory, workspace);
  const members = await Promise.all(matched.map((member) => looseManifestIn(context, member, workspace)));
  return { root: directory, manifests: [root, ...members.filter((member) => member !== undefined)] };
}

async function firstLoose(
  context: EngineContext,
  start: string,
  accepts: (manifest: LooseManifest) => boolean | Promise<boolean>,
): Promise<LooseManifest | undefined> {
  for (const directory of upwards(start)) {
    const found = await looseManifestIn(context, directory);
    if (found !== undefined && (await accepts(found))) return found;
  }
  return undefined;
}

async function looseManifestIn(
  context: EngineContext,
  directory: string,
  workspace?: WorkspaceTable,
): Promise<LooseManifest | undefined> {
  for (const { name, dialect } of context.profile.manifest.files) {
    const file = path.join(directory, name);
    const text = await readTextIfExists(file);
    if (text === undefined || !belongsToProfile(name, text)) continue;
    const options = { file: displayPath(file, context.cwd), dialect: dialectOf(name) ?? dialect };
    const source = await sourceOf(file, text);
    return { path: file, ...readManifest(source, { ...options, ...(workspace && { workspace }) }) };
  }
  return undefined;
}

/** The same, or `undefined` where there is no manifest. */
export async function tryLoadProject(context: EngineContext): Promise<Project | undefined> {
  return (await findManifest(context, context.cwd)) === undefined ? undefined : loadProject(context);
}

function notFound(context: EngineContext): EngineError {
  const names = context.profile.manifest.files.map(({ name }) => `"${name}"`).join(" or ");
  return new EngineError({
    code: "PROJECT_NOT_FOUND",
    message: `Cannot find ${names} in "${context.cwd}" or any directory above`,
    directory: context.cwd,
  });
}

/** The manifest in exactly this directory, by the profile's order of preference. */
export async function manifestIn(context: EngineContext, directory: string): Promise<ManifestFile | undefined> {
  for (const { name } of context.profile.manifest.files) {
    const file = path.join(directory, name);
    const text = await readTextIfExists(file);
    if (!context.manifestsSeen.has(file)) context.manifestsSeen.set(file, text);
    if (text === undefined || !belongsToProfile(name, text)) continue;
    return readManifestFile(context, file, text);
  }
  return undefined;
}

/** Whether a directory with files of these names is a package of the ecosystem, good or bad. */
export function isPackageDirectory({ profile }: EngineContext, directory: string, files: readonly string[]): boolean {
  return profile.manifest.files.some(
    ({ name }) => files.includes(name) && belongsToProfile(name, readFileSync(path.join(directory, name), "utf8")),
  );
}

/** A `pyproject.toml` is any Python project's; it is ours only with our table, under either of its names. */
function belongsToProfile(name: string, text: string): boolean {
  return name !== "pyproject.toml" || /^\s*\[\s*(?:tool\s*\.\s*)?revitpy\s*[.\]]/m.test(text);
}

/** Reads one manifest; the workspace whose values it takes is looked for above where it is not given. */
export async function readManifestFile(
  context: EngineContext,
  file: string,
  known?: string,
  workspace?: WorkspaceTable,
): Promise<ManifestFile> {
  const text = known ?? (await readText(file));
  const display = displayPath(file, context.cwd);
  const dialect = dialectOf(path.basename(file)) ?? context.profile.manifest.files[0]!.dialect;
  const given = workspace ?? (TAKES_FROM_WORKSPACE.test(text) ? await workspaceAbove(context, file) : undefined);
  return {
    path: file,
    display,
    dialect,
    text,
    manifest: parseManifest(await sourceOf(file, text), {
      file: display,
      dialect,
      ...(given && { workspace: given }),
    }),
  };
}

/** `version.workspace = true`, `{ workspace = true }`. */
const TAKES_FROM_WORKSPACE = /\bworkspace["']?\s*=\s*true\b/;

/** The table of the workspace that has the directory of a manifest among its members. */
async function workspaceAbove(context: EngineContext, file: string): Promise<WorkspaceTable | undefined> {
  const home = path.dirname(file);
  for (const directory of upwards(path.dirname(home))) {
    const candidate = directory === home ? undefined : await manifestIn(context, directory);
    if (candidate?.manifest.workspace === undefined) continue;
    if ((await memberDirectories(candidate)).includes(home)) return candidate.manifest.workspace;
  }
  return undefined;
}

// What was no UTF-8 reads as this character: the bytes themselves tell whether it was written so.
async function sourceOf(file: string, text: string): Promise<string | Uint8Array> {
  return text.includes("\uFFFD") ? readBytes(file) : text;
}

async function findManifest(context: EngineContext, start: string): Promise<ManifestFile | undefined> {
  const chosen = await chosenEnvironment(context);
  if (chosen !== undefined) return manifestIn(context, chosen);
  for (const directory of upwards(start)) {
    const found = await manifestIn(context, directory);
    if (found !== undefined) return found;
  }
  const active = activeEnvironment(context);
  return active === undefined ? undefined : manifestIn(context, active);
}

function* upwards(start: string): Generator<string> {
  for (let directory = path.resolve(start); ; directory = path.dirname(directory)) {
    yield directory;
    if (path.dirname(directory) === directory) return;
  }
}

async function findWorkspaceRoot(context: EngineContext, nearest: ManifestFile): Promise<ManifestFile> {
  if (nearest.manifest.workspace !== undefined) return nearest;
  const home = path.dirname(nearest.path);
  for (const directory of upwards(path.dirname(home))) {
    const candidate = await manifestIn(context, directory);
    if (candidate?.manifest.workspace === undefined) continue;
    const members = await memberDirectories(candidate);
    if (members.includes(home)) return candidate;
  }
  return nearest;
}

async function assemble(context: EngineContext, rootFile: ManifestFile, nearest: ManifestFile): Promise<Project> {
  const root = path.dirname(rootFile.path);
  const files = [rootFile];
  const { workspace } = rootFile.manifest;
  const matched = workspace === undefined ? [] : await memberDirectories(rootFile);
  for (const directory of matched) {
    const found = directory === path.dirname(nearest.path) ? nearest : await manifestIn(context, directory);
    // Again, now that the values which members take from the workspace are known.
    const file = found && (await readManifestFile(context, found.path, found.text, workspace));
    if (file !== undefined && file.path !== rootFile.path) files.push(file);
  }
  const members = files.flatMap((file) => (file.manifest.package === undefined ? [] : [memberOf(file, root)]));
  members.sort((left, right) => (left.name < right.name ? -1 : 1));
  refuseDuplicates(members);
  return {
    root,
    rootFile,
    name: rootFile.manifest.package?.name ?? path.basename(root),
    members,
    current: members.find(({ path: file }) => file === nearest.path),
    lockFile: path.join(root, context.profile.lockfile),
    matched,
  };
}

function memberOf(file: ManifestFile, root: string): Member {
  const directory = path.dirname(file.path);
  const relative = path.relative(root, directory).split(path.sep).join("/");
  return { ...file, name: file.manifest.package!.name, directory, relative: relative === "" ? "." : relative };
}

async function memberDirectories(rootFile: ManifestFile): Promise<string[]> {
  const root = path.dirname(rootFile.path);
  const { members, exclude } = rootFile.manifest.workspace!;
  for (const pattern of [...members, ...exclude]) {
    if (path.isAbsolute(pattern) || pattern.split("/").includes("..")) {
      throw new EngineError({
        code: "WORKSPACE_INVALID",
        message: `Cannot use the workspace pattern "${pattern}" of "${rootFile.display}": it leads outside of the workspace`,
      });
    }
  }
  return matchDirectories(root, { members, exclude });
}

function refuseDuplicates(members: readonly Member[]): void {
  const seen = new Map<string, Member>();
  for (const member of members) {
    const name = tryParsePackageName(member.name);
    const key = name === undefined ? member.name : canonicalName(name);
    const other = seen.get(key);
    if (other !== undefined) {
      throw new EngineError({
        code: "WORKSPACE_INVALID",
        message: `Cannot use the workspace: "${other.display}" and "${member.display}" are both called "${member.name}"`,
      });
    }
    seen.set(key, member);
  }
}

/** Which members a command acts on. */
export interface MemberChoice {
  /** `-p NAME`. */
  readonly package?: string | undefined;
  /** `--workspace`. */
  readonly workspace?: boolean | undefined;
}

/**
 * The members that are meant: the named one, all of them, else the current one, else the only one, else all.
 * @throws {EngineError} `WORKSPACE_MEMBER_UNKNOWN`
 */
export function chooseMembers(project: Project, choice: MemberChoice): readonly Member[] {
  if (choice.package !== undefined) return [memberNamed(project, choice.package)];
  if (choice.workspace === true || project.current === undefined) return project.members;
  return [project.current];
}

/** The one member that a command changes. */
export function chooseMember(project: Project, choice: MemberChoice): Member {
  const members = chooseMembers(project, choice);
  if (members.length === 1) return members[0]!;
  throw new EngineError({
    code: "WORKSPACE_MEMBER_UNKNOWN",
    message: `Cannot choose one of the ${members.length} workspace members: ${project.members.map(({ name }) => `"${name}"`).join(", ")}`,
    hint: "Name one with -p NAME, or run the command in its directory",
  });
}

function memberNamed(project: Project, name: string): Member {
  const wanted = tryParsePackageName(name);
  const found = project.members.find((member) => {
    const own = tryParsePackageName(member.name);
    return (
      member.name === name ||
      (wanted !== undefined && own !== undefined && canonicalName(own) === canonicalName(wanted))
    );
  });
  if (found !== undefined) return found;
  throw new EngineError({
    code: "WORKSPACE_MEMBER_UNKNOWN",
    message: `Cannot find workspace member "${name}": members are ${project.members.map((member) => `"${member.name}"`).join(", ") || "none"}`,
  });
}
