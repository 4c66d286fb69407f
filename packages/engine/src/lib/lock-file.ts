import { createHash } from "node:crypto";
import {
  canonicalName,
  compareLockPackages,
  conditionalReferences,
  digestFromBytes,
  encodeCanonicalJson,
  lockGrid,
  lockReferences,
  lockSourceString,
  parseLockfile,
  parsePackageName,
  parseRequirement,
  parseVersion,
  renderLockfile,
  targetsInclude,
  type Digest,
  type IndexArtifact,
  type LockGrid,
  type LockPackage,
  type Lockfile,
  type ManifestDependency,
  type PackageManifest,
} from "@lading/core-manifest";
import type { PackageKey, UniversalDependency, UniversalPackage, UniversalSolution } from "@lading/resolver";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { displayPath, readTextIfExists, writeFileAtomic } from "./files.ts";
import { hasConflict, mergeConflict } from "./lock-conflict.ts";
import { fullVersion } from "./hosts.ts";
import { patchSource, type ProjectPatch } from "./patches.ts";
import type { Project } from "./project.ts";
import { requestedFeatures, type CandidateData, type ResolutionRequest, type LockSolution } from "./resolution.ts";
import { asFingerprint } from "./signer-text.ts";

/** A lock file as it is on disk. */
export interface LockOnDisk {
  readonly lock: Lockfile;
  readonly text: string;
}

/**
 * Reads the lock. One with both sides of a merge in it is read as what both prefer where it is about to be written anew.
 * @throws {CoreError} `LOCKFILE_INVALID`, `LOCKFILE_VERSION_UNSUPPORTED`; {EngineError} `LOCK_CONFLICTED`
 */
export async function readLock(
  context: EngineContext,
  project: Project,
  { rewrite = false }: { readonly rewrite?: boolean } = {},
): Promise<LockOnDisk | undefined> {
  const text = await readTextIfExists(project.lockFile);
  if (text === undefined) return undefined;
  const file = displayPath(project.lockFile, context.cwd);
  if (!hasConflict(text)) return { text, lock: parseLockfile(text, file) };
  if (!rewrite) {
    throw new EngineError({
      code: "LOCK_CONFLICTED",
      message: `Cannot use the lock file "${file}": a merge left both sides in it`,
      hint: "Resolve the manifest's conflicts, then run `install` or `lock`: it locks anew from what both sides had",
    });
  }
  const lock = mergeConflict(text, file);
  context.onEvent({
    type: "info",
    message: `"${file}" has both sides of a merge: locking anew, with what both prefer`,
  });
  return { text, lock };
}

/** Writes a lock, and says whether its bytes changed. */
export async function writeLock(project: Project, lock: Lockfile, previous: LockOnDisk | undefined): Promise<boolean> {
  const text = renderLockfile(lock, previous?.text);
  if (text === previous?.text) return false;
  await writeFileAtomic(project.lockFile, text);
  return true;
}

/**
 * Digest of everything that decides a resolution besides what registries offer: a lock that was made from the same
 * inputs is fresh. The registry's address is not among them, so that a team and its mirror share one lock.
 */
export function resolutionInputs(request: ResolutionRequest): Digest {
  const value = {
    format: "lading-lock-inputs-v1",
    coexistence: request.coexistence,
    prereleases: request.prereleases,
    // A lock stays valid whatever is preferred and however old a version must be; an override changes what is valid.
    ...(request.overrides.length === 0
      ? {}
      : { overrides: request.overrides.map(({ name, requirement }) => `${name} ${requirement}`) }),
    ...(request.patches.length === 0 ? {} : { patches: request.patches.map(patchInput).sort() }),
    hosts: hostsInput(request),
    features: requestedFeatures(request),
    allFeatures: request.allFeatures === true,
    defaultFeatures: request.noDefaultFeatures !== true,
    profile: request.profile ?? "",
    skipDependencies: request.skipDependencies === true,
    members: request.project.members.map(({ name, relative, manifest }) => ({ name, relative, ...inputsOf(manifest) })),
    locals: [...request.locals.values()]
      .map(({ name, version, source, manifest }) => ({
        name,
        version,
        source: lockSourceString(source),
        ...inputsOf(manifest),
      }))
      .sort((left, right) => (left.name < right.name ? -1 : 1)),
  };
  return digestFromBytes(createHash("sha256").update(encodeCanonicalJson(value)).digest());
}

function patchInput(patch: ProjectPatch): string {
  const { by, key } = patch;
  const content =
    by.type === "local" ? encodeCanonicalJson({ version: by.local.version, ...inputsOf(by.local.manifest) }) : "";
  return `${key} ${patchSource(patch)} ${content}`;
}

/** What stood in for what others ask, for those who read the lock. */
function replacements({ overrides, patches }: ResolutionRequest): Pick<Lockfile, "overrides" | "patches"> {
  return {
    ...(overrides.length === 0
      ? {}
      : { overrides: Object.fromEntries(overrides.map(({ name, requirement }) => [name, requirement])) }),
    ...(patches.length === 0
      ? {}
      : {
          patches: Object.fromEntries(
            patches.map((patch) => [
              patch.of === undefined ? patch.name : `${patch.of}/${patch.name}`,
              patchSource(patch),
            ]),
          ),
        }),
  };
}

/** One environment of hosts is written as it was before there were several. */
function hostsInput({ grid: { axes, mode } }: ResolutionRequest): Record<string, unknown> {
  const single = Object.values(axes).every(({ length }) => length === 1) && axes["target"] === undefined;
  if (single) return Object.fromEntries(Object.entries(axes).map(([axis, [version]]) => [axis, version]));
  return mode === "every" ? { ...axes, "every environment": ["alike"] } : { ...axes };
}

function inputsOf(manifest: PackageManifest): Record<string, unknown> {
  return {
    version: manifest.package?.version ?? "",
    features: manifest.features,
    ...(manifest.package?.exclusiveFeatures === undefined
      ? {}
      : { exclusiveFeatures: manifest.package.exclusiveFeatures }),
    hosts: manifest.hosts,
    dependencies: manifest.dependencies.map((dependency) => ({
      ...withoutPlace(dependency),
      canonicalRequirement: dependency.canonicalRequirement ?? dependency.requirement ?? "",
      package: dependency.package ?? "",
      targets: dependency.targets ?? [],
      source: Object.entries(dependency.source).map(([key, value]) => `${key}=${value}`),
    })),
  };
}

/** How a dependency is written, and where, changes nothing of what it means. */
function withoutPlace(
  dependency: ManifestDependency,
): Omit<ManifestDependency, "location" | "requirement" | "condition"> {
  const { location: _location, requirement: _requirement, condition: _condition, ...rest } = dependency;
  return rest;
}

/** Makes the lock of a solution. */
export function lockOf(solved: LockSolution, trees: ReadonlyMap<string, Digest>): Lockfile {
  const { resolution, request } = solved;
  const environment = environmentTable(request);
  const conditions = conditionsOf(resolution, lockGrid(environment));
  const entries = new Map(
    resolution.packages.map((found) => {
      const environments = conditions(found.cells);
      return [found.id, { ...lockPackage(found, trees), ...(environments === undefined ? {} : { environments }) }];
    }),
  );
  const cellsOf = new Map(resolution.packages.map(({ id, cells }) => [id, cells]));
  const all = resolution.environments.map((_, cell) => cell);
  const references = lockReferences([...entries.values()]);
  const refer = (dependencies: readonly UniversalDependency[], owner: readonly number[]): string[] =>
    [...byTarget(dependencies)]
      .flatMap(([id, cells]) => {
        const reference = references.reference(entries.get(id)!);
        const implied = cellsOf.get(id)!.filter((cell) => owner.includes(cell));
        return conditionalReferences(reference, implied.length === cells.size ? undefined : conditions([...cells]));
      })
      .sort();
  const ranges = rangesOf(solved, conditions);
  const packages = resolution.packages.map(({ id, key, version, dependencies, cells }) => ({
    ...entries.get(id)!,
    ...ranges(key, version, cells),
    dependencies: refer(dependencies, cells),
  }));
  return {
    version: 1,
    root: request.project.name,
    inputs: resolutionInputs(request),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...replacements(request),
    members: Object.fromEntries(resolution.roots.map(({ name, dependencies }) => [name, refer(dependencies, all)])),
    packages: packages.sort(compareLockPackages),
  };
}

/** How the environments of an answer are written in the lock. */
function conditionsOf(
  { environments }: UniversalSolution,
  grid: LockGrid,
): (cells: readonly number[]) => readonly string[] | undefined {
  const place = environments.map((environment) => grid.indexOf(environment)!);
  return (cells) => grid.conditionsOf(new Set(cells.map((cell) => place[cell]!)));
}

/** Requirements that several versions of an answer meet, with the one that does. */
function rangesOf(
  { slots }: LockSolution,
  conditions: ReturnType<typeof conditionsOf>,
): (key: PackageKey, version: string, own: readonly number[]) => Pick<LockPackage, "ranges"> {
  return (key, version, own) => {
    const ranges = slots
      .filter((one) => one.key === key && one.version === version)
      .flatMap(({ requirement, cells = own }) =>
        conditionalReferences(requirement, cells.length === own.length ? undefined : conditions(cells)),
      );
    return ranges.length === 0 ? {} : { ranges: ranges.sort() };
  };
}

/** Package -> environments in which any of the dependencies leads there. */
function byTarget(dependencies: readonly UniversalDependency[]): Map<string, Set<number>> {
  const targets = new Map<string, Set<number>>();
  for (const { id, cells } of dependencies) {
    const known = targets.get(id) ?? new Set();
    targets.set(id, known);
    for (const cell of cells) known.add(cell);
  }
  return targets;
}

function environmentTable(request: ResolutionRequest): Record<string, readonly string[]> {
  const features = requestedFeatures(request);
  return {
    ...request.grid.axes,
    ...(features.length === 0 ? {} : { features }),
    ...(request.profile === undefined ? {} : { profile: [request.profile] }),
  };
}

function lockPackage(found: UniversalPackage, trees: ReadonlyMap<string, Digest>): LockPackage {
  const data = found.candidate.data as CandidateData;
  const kinds = found.kinds.filter((kind) => kind !== "normal");
  const common = {
    version: found.version,
    features: found.features,
    dependencies: [],
    ...(found.kinds.includes("normal") ? {} : { kinds }),
  };
  if (data.type === "local") {
    const tree = trees.get(data.package.name);
    return { name: data.package.name, ...common, source: data.package.source, ...(tree === undefined ? {} : { tree }) };
  }
  const { entry, name, registry } = data;
  const preferred = preferredArtifact(entry.artifacts);
  const publisher = entry.signers[0];
  return {
    name,
    ...common,
    source: { type: "registry", url: registry },
    ...(preferred === undefined ? {} : { checksum: preferred.blob, tree: preferred.tree }),
    ...(publisher === undefined ? {} : { publisher: asFingerprint(publisher) }),
    ...(entry.artifacts.length < 2
      ? {}
      : { artifacts: entry.artifacts.map(({ target, blob, tree, size }) => ({ target, checksum: blob, tree, size })) }),
  };
}

function preferredArtifact(artifacts: readonly IndexArtifact[]): IndexArtifact | undefined {
  return (
    artifacts.find(({ target }) => target === "any") ??
    artifacts.find(({ target }) => target === "source") ??
    artifacts[0]
  );
}

/**
 * Whether a lock without recorded inputs (GAL's short form) still answers every requirement of the members.
 */
export function satisfiesMembers(lock: Lockfile, project: Project): boolean {
  return project.members.every(({ manifest }) =>
    manifest.dependencies.every((dependency) => {
      if (dependency.optional || !mayCount(dependency, lock)) return true;
      const wanted = canonicalName(parsePackageName(dependency.package ?? dependency.name));
      const entries = lock.packages.filter(({ name }) => canonicalName(parsePackageName(name)) === wanted);
      if (dependency.canonicalRequirement === undefined) return entries.length > 0;
      const requirement = parseRequirement(dependency.canonicalRequirement, "canonical");
      return entries.some(({ version }) => requirement.matches(parseVersion(version)));
    }),
  );
}

/** Whether a dependency counts in any of the lock's environments, as far as each axis by itself tells. */
function mayCount({ targets, hosts = {} }: ManifestDependency, { environment = {} }: Lockfile): boolean {
  const places = environment["target"];
  if (targets !== undefined && places?.some((target) => targetsInclude(targets, target)) === false) return false;
  return Object.entries(hosts).every(([axis, asked]) => {
    const requirement = parseRequirement(asked, "canonical");
    return (
      environment[axis]?.some((version) => requirement.matchesWithPrereleases(parseVersion(fullVersion(version)))) ??
      true
    );
  });
}

/** Direct references of every member; in a lock that does not list them, what nothing else depends on. */
export function directReferences(lock: Lockfile): Readonly<Record<string, readonly string[]>> {
  if (lock.members !== undefined) return lock.members;
  const references = lockReferences(lock.packages);
  const needed = new Set(
    lock.packages.flatMap(({ dependencies }) => dependencies.map((text) => references.find(text))),
  );
  const tops = lock.packages.filter((entry) => !needed.has(entry));
  return { [lock.root]: tops.map(({ name, version }) => `${name} ${version}`) };
}

/** What changed between two locks. */
export interface LockChanges {
  readonly added: readonly { readonly name: string; readonly version: string }[];
  readonly removed: readonly { readonly name: string; readonly version: string }[];
  readonly updated: readonly { readonly name: string; readonly from: string; readonly to: string }[];
}

/** Compares two locks by name; with several versions of a name, a version that left and one that came are an update. */
export function compareLocks(before: Lockfile | undefined, after: Lockfile): LockChanges {
  const names = [...new Set([...(before?.packages ?? []), ...after.packages].map(({ name }) => name))].sort();
  const added: { name: string; version: string }[] = [];
  const removed: { name: string; version: string }[] = [];
  const updated: { name: string; from: string; to: string }[] = [];
  for (const name of names) {
    const had = versionsOf(before, name);
    const has = versionsOf(after, name);
    const gone = had.filter((version) => !has.includes(version));
    const come = has.filter((version) => !had.includes(version));
    while (gone.length > 0 && come.length > 0) updated.push({ name, from: gone.shift()!, to: come.shift()! });
    added.push(...come.map((version) => ({ name, version })));
    removed.push(...gone.map((version) => ({ name, version })));
  }
  return { added, removed, updated };
}

function versionsOf(lock: Lockfile | undefined, name: string): string[] {
  return (lock?.packages ?? []).filter((entry) => entry.name === name).map(({ version }) => version);
}
