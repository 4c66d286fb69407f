import {
  canonicalName,
  compareVersions,
  lockReferences,
  parsePackageName,
  parseRequirement,
  parseVersion,
  targetsInclude,
  tryParseVersion,
  type IndexVersion,
  type LockEnvironment,
  type LockPackage,
  type Lockfile,
  type ManifestDependency,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { newestVersion } from "../edit.ts";
import { EngineError } from "../engine-error.ts";
import { revokedTexts } from "../revocations.ts";
import { environmentHere, environmentOfLock, hereWithDetected, lockHere, type HereInput } from "../environments.ts";
import { displayPath } from "../files.ts";
import { fullVersion } from "../hosts.ts";
import { directReferences, readLock } from "../lock-file.ts";
import { projectReasons, type ProjectReasons } from "./resolve.ts";
import { chooseMembers, loadProject, type MemberChoice, type Project } from "../project.ts";

type Find = (reference: string) => LockPackage | undefined;

function finder(lock: Lockfile): Find {
  const references = lockReferences(lock.packages);
  return (text) => references.find(text);
}

/** A package in a tree. */
export interface TreeNode {
  readonly name: string;
  readonly version: string;
  /** Where it comes from, unless from a registry. */
  readonly source?: string;
  /** Its dependencies are shown where it appears first. */
  readonly repeated: boolean;
  readonly dependencies: readonly TreeNode[];
}

/** What {@link tree} is told. */
export interface TreeInput extends MemberChoice, HereInput {
  /** Levels below the root; default: all. */
  readonly depth?: number | undefined;
}

/** The dependency trees of the members. */
export interface TreeResult {
  /** The environment that is shown. */
  readonly environment: LockEnvironment;
  readonly roots: readonly TreeNode[];
  readonly packages: number;
}

/** What the lock says of the environment that is meant. */
export async function needLock(
  context: EngineContext,
  project: Project,
  where: HereInput,
): Promise<{ readonly lock: Lockfile; readonly environment: LockEnvironment }> {
  const found = await readLock(context, project);
  if (found === undefined) {
    throw new EngineError({
      code: "LOCK_MISSING",
      message: `Cannot find the lock file "${displayPath(project.lockFile, context.cwd)}"`,
    });
  }
  const here = await hereWithDetected(context, found.lock, await environmentHere(context, where));
  const environment = environmentOfLock(found.lock, here);
  return { lock: lockHere(found.lock, environment), environment };
}

/**
 * The dependency tree of one environment, from the lock alone.
 * @throws {EngineError} `LOCK_MISSING`, `LOCK_ENVIRONMENT_MISSING`, `LOCK_ENVIRONMENT_AMBIGUOUS`
 */
export async function tree(input: TreeInput, context: EngineContext): Promise<TreeResult> {
  const project = await loadProject(context);
  const { lock, environment } = await needLock(context, project, input);
  const find = finder(lock);
  const direct = directReferences(lock);
  const seen = new Set<LockPackage>();
  const roots = chosenRoots(project, input, lock).map(({ name, version }) => ({
    name,
    version,
    repeated: false,
    dependencies: (direct[name] ?? []).flatMap((text) => {
      const entry = find(text);
      return entry === undefined || input.depth === 0 ? [] : [nodeOf(entry, find, seen, (input.depth ?? Infinity) - 1)];
    }),
  }));
  return { environment, roots, packages: lock.packages.length };
}

function chosenRoots(project: Project, choice: MemberChoice, lock: Lockfile): { name: string; version: string }[] {
  const members =
    choice.package === undefined && choice.workspace !== true && project.current === undefined
      ? project.members
      : chooseMembers(project, choice);
  if (members.length === 0) return [{ name: lock.root, version: "" }];
  return members.map(({ name, manifest }) => ({ name, version: manifest.package!.version }));
}

function nodeOf(entry: LockPackage, find: Find, seen: Set<LockPackage>, depth: number): TreeNode {
  const repeated = seen.has(entry) && entry.dependencies.length > 0;
  seen.add(entry);
  const below = repeated || depth <= 0 ? [] : entry.dependencies.map(find).filter((found) => found !== undefined);
  return {
    name: entry.name,
    version: entry.version,
    ...(entry.source === undefined || entry.source.type === "registry" ? {} : { source: describeSource(entry) }),
    repeated,
    dependencies: below.map((dependency) => nodeOf(dependency, find, seen, depth - 1)),
  };
}

function describeSource({ source }: LockPackage): string {
  if (source?.type === "path") return `path ${source.path}`;
  return source?.type === "git" ? `git ${source.url}#${source.commit.slice(0, 12)}` : "";
}

/** What {@link invertedTree} is told. */
export interface InvertedTreeInput extends HereInput {
  readonly name: string;
  /** Levels above the package; default: all. */
  readonly depth?: number | undefined;
}

/**
 * The tree upside down: a package, below it who depends on it, and so on up to the members; from the lock alone.
 * @throws {EngineError} `LOCK_PACKAGE_UNKNOWN`, `LOCK_MISSING`
 */
export async function invertedTree(input: InvertedTreeInput, context: EngineContext): Promise<TreeResult> {
  const project = await loadProject(context);
  const { lock, environment } = await needLock(context, project, input);
  const entries = entriesOf(lock, input.name);
  const requirers = requirersOf(lock);
  const seen = new Set<Requirer>();
  const above = (one: Requirer, depth: number): TreeNode => {
    const users = typeof one === "string" ? [] : (requirers.get(one) ?? []);
    const repeated = seen.has(one) && users.length > 0;
    seen.add(one);
    const shown = repeated || depth <= 0 ? [] : users.toSorted((a, b) => (label(a) < label(b) ? -1 : 1));
    const { name, version } = typeof one === "string" ? { name: one, version: "" } : one;
    return { name, version, repeated, dependencies: shown.map((user) => above(user, depth - 1)) };
  };
  const roots = entries.map((entry) => above(entry, input.depth ?? Infinity));
  return { environment, roots, packages: lock.packages.length };
}

function entriesOf(lock: Lockfile, name: string): LockPackage[] {
  const wanted = canonicalName(parsePackageName(name));
  const entries = lock.packages.filter((entry) => canonicalName(parsePackageName(entry.name)) === wanted);
  if (entries.length > 0) return entries;
  throw new EngineError({
    code: "LOCK_PACKAGE_UNKNOWN",
    message: `Cannot explain "${name}": the lock file has no package of that name`,
  });
}

/** A name that is there in several versions. */
export interface DuplicatePackage {
  readonly name: string;
  readonly versions: readonly { readonly version: string; readonly requiredBy: readonly string[] }[];
}

/** Packages that are in the lock in more than one version, with who needs which. */
export async function duplicates(context: EngineContext, where: HereInput = {}): Promise<readonly DuplicatePackage[]> {
  const project = await loadProject(context);
  const { lock } = await needLock(context, project, where);
  const requirers = requirersOf(lock);
  const names = [...new Set(lock.packages.map(({ name }) => name))].sort();
  return names.flatMap((name) => {
    const entries = lock.packages.filter((entry) => entry.name === name);
    if (entries.length < 2) return [];
    const versions = entries.map((entry) => ({
      version: entry.version,
      requiredBy: (requirers.get(entry) ?? []).map(label).sort(),
    }));
    return [{ name, versions }];
  });
}

type Requirer = LockPackage | string;

const label = (requirer: Requirer): string =>
  typeof requirer === "string" ? requirer : `${requirer.name} ${requirer.version}`;

/** Who depends on each package; members by name. */
function requirersOf(lock: Lockfile): Map<LockPackage, Requirer[]> {
  const find = finder(lock);
  const result = new Map<LockPackage, Requirer[]>();
  const note = (text: string, requirer: Requirer): void => {
    const entry = find(text);
    if (entry !== undefined) result.set(entry, [...(result.get(entry) ?? []), requirer]);
  };
  for (const [member, references] of Object.entries(directReferences(lock)))
    references.forEach((text) => note(text, member));
  for (const entry of lock.packages) entry.dependencies.forEach((text) => note(text, entry));
  return result;
}

/** Ways from a member to a package. */
export interface WhyResult {
  readonly name: string;
  /** The environment that is told of. */
  readonly environment: LockEnvironment;
  readonly packages: readonly {
    readonly version: string;
    /** Each from the member to the package; the shortest first, at most {@link WHY_MAX_PATHS}. */
    readonly paths: readonly (readonly string[])[];
    readonly more: boolean;
  }[];
}

/** Most ways that are listed for one version. */
export const WHY_MAX_PATHS = 20;

/**
 * Why a package is in one environment of the lock: the chains of dependencies that lead to it.
 * @throws {EngineError} `LOCK_PACKAGE_UNKNOWN`, `LOCK_MISSING`, `LOCK_ENVIRONMENT_MISSING`, `LOCK_ENVIRONMENT_AMBIGUOUS`
 */
export async function why(input: { readonly name: string } & HereInput, context: EngineContext): Promise<WhyResult> {
  const project = await loadProject(context);
  const { lock, environment } = await needLock(context, project, input);
  const entries = entriesOf(lock, input.name);
  const requirers = requirersOf(lock);
  const packages = entries.map((entry) => ({ version: entry.version, ...pathsTo(entry, requirers) }));
  return { name: entries[0]!.name, environment, packages };
}

function pathsTo(
  target: LockPackage,
  requirers: ReadonlyMap<LockPackage, Requirer[]>,
): { paths: string[][]; more: boolean } {
  const paths: string[][] = [];
  // Breadth first, so that the shortest come first; the bound keeps a wide graph from being walked whole.
  const queue: Requirer[][] = [[target]];
  let visited = 0;
  while (queue.length > 0 && paths.length <= WHY_MAX_PATHS && visited < 20_000) {
    visited += 1;
    const path = queue.shift()!;
    const head = path[0]!;
    if (typeof head === "string") {
      paths.push(path.map(label));
      continue;
    }
    for (const requirer of requirers.get(head) ?? []) {
      if (!path.includes(requirer)) queue.push([requirer, ...path]);
    }
  }
  return { paths: paths.slice(0, WHY_MAX_PATHS), more: paths.length > WHY_MAX_PATHS || queue.length > 0 };
}

/** A dependency with what there is of it. */
export interface OutdatedPackage {
  readonly member: string;
  readonly name: string;
  readonly current: string | undefined;
  /** Newest version in the manifest's range. */
  readonly wanted: string | undefined;
  /** Newest version of all that may be used; absent where none may. */
  readonly latest: string | undefined;
  readonly requirement: string;
  /** Why what is locked must not be used any more: it was taken down, or its key was revoked before it was signed. */
  readonly currentReason?: string;
  /** Why `wanted` is not what is locked; absent where it is. */
  readonly wantedReason?: string;
  /** Why `latest` is not `wanted`: that the range leaves it out, and whether there were a solution with it. */
  readonly latestReason?: string;
  /** The first of these that is there. */
  readonly reason: string;
}

/** Direct dependencies that are in use, for which there is something newer than what is locked, in one environment. */
export async function outdated(
  input: MemberChoice & HereInput,
  context: EngineContext,
): Promise<readonly OutdatedPackage[]> {
  const project = await loadProject(context);
  const here = await environmentHere(context, input);
  const whole = (await readLock(context, project))?.lock;
  const environment = whole && environmentOfLock(whole, await hereWithDetected(context, whole, here));
  const lock = whole && environment && lockHere(whole, environment);
  const { target: _target, ...hosts } = { ...here.hosts, ...environment };
  const registries = await context.registries();
  const rows: OutdatedPackage[] = [];
  const known: { reasons?: Promise<ProjectReasons> } = {};
  const reasons = (): Promise<ProjectReasons> =>
    (known.reasons ??= projectReasons(context, project, { hosts: input.hosts }));
  for (const member of chooseMembers(project, input)) {
    for (const dependency of member.manifest.dependencies) {
      const { source, canonicalRequirement } = dependency;
      if (source.type !== "registry" || canonicalRequirement === undefined) continue;
      if (!countsIn(dependency, { ...hosts, ...environment })) continue;
      const name = dependency.package ?? dependency.name;
      const found = await registries.find(name, { signal: context.signal, registry: source.registry });
      const requirement = parseRequirement(canonicalRequirement, "canonical");
      if (found === undefined) continue;
      const revoked = await revokedTexts(context, found);
      const isUsable = (entry: IndexVersion): boolean => revoked(entry) === undefined;
      const latest = newestVersion(found.document, hosts, undefined, isUsable)?.version;
      const wanted = newestVersion(found.document, hosts, (version) => requirement.matches(version), isUsable)?.version;
      const current =
        lock && lockedIn(lock, member.name, name, (version) => requirement.matches(parseVersion(version)));
      // No feature that is on has asked for it.
      if (dependency.optional && current === undefined) continue;
      const locked = found.document.versions.find(({ version }) => version === current);
      const currentReason = locked && withdrawn(locked, revoked);
      if (latest === undefined && currentReason === undefined) continue;
      if (currentReason === undefined && !isNewer(latest!, current)) continue;
      const row = { current, wanted, name, member: member.name, dependency };
      const wantedReason = wanted === undefined || wanted === current ? undefined : await reasonForWanted(row, reasons);
      const latestReason =
        latest === undefined || latest === wanted ? undefined : await reasonForLatest({ ...row, latest }, reasons);
      rows.push({
        member: member.name,
        name: dependency.name,
        current,
        wanted,
        latest,
        requirement: dependency.requirement ?? canonicalRequirement,
        ...(currentReason === undefined ? {} : { currentReason }),
        ...(wantedReason === undefined ? {} : { wantedReason }),
        ...(latestReason === undefined ? {} : { latestReason }),
        reason: currentReason ?? wantedReason ?? latestReason ?? "",
      });
    }
  }
  return rows;
}

function isNewer(latest: string, current: string | undefined): boolean {
  return current === undefined || compareVersions(parseVersion(current), parseVersion(latest)) < 0;
}

/** Why a locked version must not be used any more. A yanked one may: its lock keeps it. */
function withdrawn(entry: IndexVersion, revoked: (entry: IndexVersion) => string | undefined): string | undefined {
  if (entry.status !== "removed") return revoked(entry);
  return `the registry has taken it down${entry.reason === undefined ? "" : `: ${entry.reason}`}`;
}

/** Whether a dependency counts in an environment, as far as it is known. */
function countsIn({ targets, hosts = {} }: ManifestDependency, environment: LockEnvironment): boolean {
  const target = environment["target"];
  if (targets !== undefined && target !== undefined && !targetsInclude(targets, target)) return false;
  return Object.entries(hosts).every(([axis, asked]) => {
    const version = environment[axis] === undefined ? undefined : tryParseVersion(fullVersion(environment[axis]));
    return version === undefined || parseRequirement(asked, "canonical").matchesWithPrereleases(version);
  });
}

type OutdatedRow = Pick<OutdatedPackage, "current" | "wanted" | "name" | "member"> & {
  readonly dependency: ManifestDependency;
};

const registryOf = ({ source }: ManifestDependency): string | undefined =>
  source.type === "registry" ? source.registry : undefined;

async function reasonForWanted(row: OutdatedRow, reasons: () => Promise<ProjectReasons>): Promise<string> {
  const { current, wanted, name, dependency } = row;
  if (current === undefined) return `the lock does not have it; "lock" chooses a version`;
  const { verdict, reason } = await (await reasons()).whyNot(name, wanted!, registryOf(dependency));
  return verdict === "locked" || verdict === "chosen" ? `the lock keeps ${current}; "update ${name}" moves it` : reason;
}

async function reasonForLatest(
  row: OutdatedRow & { readonly latest: string },
  reasons: () => Promise<ProjectReasons>,
): Promise<string> {
  const { latest, name, member, dependency } = row;
  const range = `the manifest asks for ${dependency.requirement ?? "*"}`;
  const conflict = await (
    await reasons()
  ).conflictWith({ member, name, registry: registryOf(dependency), version: latest });
  return conflict === undefined
    ? `${range}; "upgrade ${name}" allows ${latest}`
    : `${range}, and with ${latest} there were no solution: ${conflict}`;
}

function lockedIn(
  lock: Lockfile,
  member: string,
  name: string,
  accepts: (version: string) => boolean,
): string | undefined {
  const find = finder(lock);
  const wanted = canonicalName(parsePackageName(name));
  const direct = (directReferences(lock)[member] ?? []).map(find).filter((entry) => entry !== undefined);
  return direct.find((entry) => canonicalName(parsePackageName(entry.name)) === wanted && accepts(entry.version))
    ?.version;
}
