import path from "node:path";
import {
  canonicalName,
  parsePackageName,
  parseRequirement,
  parseVersion,
  type CanonicalName,
  type DependencyKind,
  type Lockfile,
  type ManifestDependency,
  type ManifestPatch,
} from "@lading/core-manifest";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { displayPath } from "./files.ts";
import { checkoutGit } from "./git.ts";
import type { LocalPackage } from "./local-package.ts";
import { patchOf, registryPatches, type ProjectPatch } from "./patches.ts";
import { manifestIn, type ManifestFile, type Member, type Project } from "./project.ts";

export type { LocalPackage } from "./local-package.ts";

/** Local packages by their canonical name; one name is one package in a project. */
export type LocalPackages = ReadonlyMap<CanonicalName, LocalPackage>;

/** What {@link collectLocalPackages} needs. */
export interface CollectInput {
  readonly project: Project;
  /** Commits of Git sources are taken from here, unless named in `refresh`. */
  readonly lock: Lockfile | undefined;
  /** Names whose Git source is looked up anew; `all` for every one. */
  readonly refresh: ReadonlySet<string> | "all";
}

/** What {@link collectLocalPackages} finds. */
export interface CollectedPackages {
  readonly locals: LocalPackages;
  /** Directories and repositories that stand in for packages of registries. */
  readonly patches: readonly ProjectPatch[];
}

interface Visit {
  readonly file: ManifestFile;
  readonly directory: string;
  /** Absent for a root: its dev dependencies count too. */
  readonly via?: LocalPackage;
}

/**
 * Walks path and Git dependencies from the members on.
 * @throws {EngineError} `PATH_DEPENDENCY_INVALID`, `PATH_DEPENDENCY_CYCLE`, `SELF_DEPENDENCY`, and those of Git
 */
export async function collectLocalPackages(context: EngineContext, input: CollectInput): Promise<CollectedPackages> {
  const found = new Map<CanonicalName, LocalPackage>();
  const edges = new Map<string, Set<string>>();
  const queue: Visit[] = input.project.members.map((member) => ({ file: member, directory: member.directory }));
  const patches = [...registryPatches(input.project)];
  for (const { patch, local } of await patchedLocals(context, input)) {
    patches.push({ ...patchOf(patch), by: { type: "local", local: local.package } });
    queue.push({ file: local.file, directory: local.package.directory, via: local.package });
  }
  refuseTwoPatches(patches);
  for (const visit of queue) {
    if (visit.via === undefined) refuseRegistryCopies(visit.file);
    for (const dependency of localDependencies(visit)) {
      const local = await locate(context, input, visit, dependency);
      refuseItself(visit, dependency, local.package);
      if (dependency.kind !== "dev") addEdge(edges, visit.directory, local.package.directory);
      const known = found.get(local.package.canonical);
      if (known !== undefined) {
        refuseTwoPlaces(known, local.package, visit.file);
        continue;
      }
      found.set(local.package.canonical, local.package);
      queue.push({ file: local.file, directory: local.package.directory, via: local.package });
    }
  }
  refuseCycle(context, edges);
  return { locals: found, patches };
}

async function patchedLocals(
  context: EngineContext,
  input: CollectInput,
): Promise<{ readonly patch: ManifestPatch; readonly local: Located }[]> {
  const { rootFile } = input.project;
  const visit: Visit = { file: rootFile, directory: input.project.root };
  const found: { readonly patch: ManifestPatch; readonly local: Located }[] = [];
  for (const patch of rootFile.manifest.patches ?? []) {
    if (patch.source.type === "registry") continue;
    const local = await locate(context, input, visit, patch);
    const { requirement, canonicalRequirement } = patch;
    const accepts = canonicalRequirement === undefined || satisfies(canonicalRequirement, local.package.version);
    if (!accepts) throw invalid(patch, visit, `its version is ${local.package.version}, asked for is ${requirement}`);
    found.push({ patch, local });
  }
  return found;
}

function satisfies(canonical: string, version: string): boolean {
  return parseRequirement(canonical, "canonical").matches(parseVersion(version));
}

function refuseTwoPatches(patches: readonly ProjectPatch[]): void {
  const twice = patches.find(
    (one, i) => patches.findIndex((other) => other.name === one.name && other.of === one.of) < i,
  );
  if (twice === undefined) return;
  throw new EngineError({
    code: "PATCH_INVALID",
    message: `Cannot apply "${twice.key}": "${twice.name}" is patched twice`,
    package: twice.name,
  });
}

/** A dependency or patch as far as finding it goes. */
type Wanted = Pick<ManifestDependency, "name" | "package" | "source" | "location">;

interface Located {
  readonly package: LocalPackage;
  readonly file: ManifestFile;
}

function localDependencies({ file, via }: Visit): readonly ManifestDependency[] {
  return file.manifest.dependencies.filter(({ source, kind, requirement }) => {
    if (source.type === "registry" || (via !== undefined && kind === "dev")) return false;
    // What a commit depends on by path lies in a cache directory that no lock can name.
    return !(via?.source.type === "git" && source.type === "path" && requirement !== undefined);
  });
}

async function locate(context: EngineContext, input: CollectInput, visit: Visit, dependency: Wanted): Promise<Located> {
  const { source } = dependency;
  if (source.type === "path") {
    if (visit.via?.source.type === "git")
      throw invalid(dependency, visit, "a Git source cannot have path dependencies without a version");
    const directory = path.resolve(visit.directory, source.path);
    const relative = path.relative(input.project.root, directory).split(path.sep).join("/");
    // A member as it is in memory: an edit of its manifest counts before it is written.
    const member = input.project.members.find((candidate) => candidate.directory === directory);
    return describe(context, visit, dependency, {
      directory,
      member,
      source: { type: "path", path: relative === "" ? "." : relative },
    });
  }
  if (source.type !== "git") throw new Error("a registry dependency is not local");
  const locked = lockedCommit(input, dependency, source.url);
  const { commit, directory } = await checkoutGit(context, source, locked);
  return describe(context, visit, dependency, { directory, source: { type: "git", url: source.url, commit } });
}

function lockedCommit(input: CollectInput, dependency: Wanted, url: string): string | undefined {
  const name = dependency.package ?? dependency.name;
  if (input.refresh === "all" || input.refresh.has(name)) return undefined;
  const entry = input.lock?.packages.find((candidate) => candidate.name === name && candidate.source?.type === "git");
  return entry?.source?.type === "git" && entry.source.url === url ? entry.source.commit : undefined;
}

async function describe(
  context: EngineContext,
  visit: Visit,
  dependency: Wanted,
  found: { readonly directory: string; readonly source: LocalPackage["source"]; readonly member?: Member | undefined },
): Promise<Located> {
  const { directory, source } = found;
  const file = found.member ?? (await manifestIn(context, directory));
  const info = file?.manifest.package;
  const shown = source.type === "path" ? displayPath(directory, context.cwd) : source.url;
  if (file === undefined || info === undefined) throw invalid(dependency, visit, `there is no package in "${shown}"`);
  const wanted = parsePackageName(dependency.package ?? dependency.name);
  const name = parsePackageName(info.name);
  if (canonicalName(name) !== canonicalName(wanted)) {
    throw invalid(dependency, visit, `the package in "${shown}" is called "${name}"`);
  }
  return {
    file,
    package: {
      name,
      canonical: canonicalName(name),
      version: info.version,
      directory,
      source,
      manifest: file.manifest,
    },
  };
}

function invalid(dependency: Wanted, visit: Visit, problem: string): EngineError {
  return new EngineError({
    code: "PATH_DEPENDENCY_INVALID",
    message: `Cannot use dependency "${dependency.name}" of "${visit.file.display}": ${problem}`,
    location: dependency.location,
  });
}

/** A published copy of a package of this project cannot be a dependency of that package; another version of it can. */
function refuseRegistryCopies({ manifest, display }: ManifestFile): void {
  const own = manifest.package;
  if (own === undefined) return;
  for (const { name, package: real, source, canonicalRequirement, requirement, location } of manifest.dependencies) {
    if (source.type !== "registry" || canonicalRequirement === undefined) continue;
    if (!isNamed(real ?? name, own.name) || !satisfies(canonicalRequirement, own.version)) continue;
    throw selfDependency({ name: own.name, version: own.version, file: display, location, asked: requirement });
  }
}

/** As {@link refuseRegistryCopies}, of a directory or repository. Its own directory may stand in for it in its tests. */
function refuseItself(
  { file, directory }: Visit,
  { kind, location }: Wanted & { kind: DependencyKind },
  local: LocalPackage,
): void {
  const own = file.manifest.package;
  if (own === undefined || !isNamed(local.name, own.name) || local.version !== own.version) return;
  if (kind === "dev" && local.directory === directory) return;
  throw selfDependency({ name: own.name, version: own.version, file: file.display, location });
}

const isNamed = (name: string, own: string): boolean =>
  canonicalName(parsePackageName(name)) === canonicalName(parsePackageName(own));

function selfDependency(found: {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly location: ManifestDependency["location"];
  readonly asked?: string | undefined;
}): EngineError {
  const { name, version, file, location, asked } = found;
  const range = asked === undefined ? "" : ` ("${asked}")`;
  return new EngineError({
    code: "SELF_DEPENDENCY",
    message: `Cannot let "${name}" ${version} of "${file}" depend on itself: one of its dependencies is "${name}"${range}`,
    hint: "Take that dependency out; a package may depend on other versions of itself alone",
    location,
    package: name,
  });
}

function refuseTwoPlaces(known: LocalPackage, other: LocalPackage, file: ManifestFile): void {
  if (known.directory === other.directory) return;
  throw new EngineError({
    code: "PATH_DEPENDENCY_INVALID",
    message: `Cannot use "${other.name}" from two places: "${file.display}" leads to "${other.directory}", another manifest to "${known.directory}"`,
  });
}

function addEdge(edges: Map<string, Set<string>>, from: string, to: string): void {
  const targets = edges.get(from) ?? new Set();
  edges.set(from, targets.add(to));
}

function refuseCycle(context: EngineContext, edges: ReadonlyMap<string, ReadonlySet<string>>): void {
  const cycle = findCycle(edges);
  if (cycle === undefined) return;
  const shown = cycle.map((directory) => displayPath(directory, context.cwd));
  throw new EngineError({
    code: "PATH_DEPENDENCY_CYCLE",
    message: `Cannot order the path dependencies: ${shown.join(" -> ")}`,
    cycle: shown,
  });
}

/** A cycle as its nodes, the first repeated at the end; `undefined` where there is none. */
export function findCycle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  for (const start of [...edges.keys()].sort()) {
    // An explicit stack: path dependencies may be deeper than the call stack is patient.
    const stack: { node: string; rest: string[] }[] = [];
    const onStack = new Set<string>();
    const enter = (node: string): void => {
      onStack.add(node);
      stack.push({ node, rest: [...(edges.get(node) ?? [])].sort() });
    };
    if (!done.has(start)) enter(start);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const next = top.rest.shift();
      if (next === undefined) {
        done.add(top.node);
        onStack.delete(top.node);
        stack.pop();
        continue;
      }
      if (onStack.has(next)) {
        const at = stack.findIndex(({ node }) => node === next);
        return [...stack.slice(at).map(({ node }) => node), next];
      }
      if (!done.has(next)) enter(next);
    }
  }
  return undefined;
}
