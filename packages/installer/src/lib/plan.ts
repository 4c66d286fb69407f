import { resolve } from "node:path";
import {
  compareVersions,
  lockReferences,
  lockSourceString,
  parseVersion,
  type LockArtifact,
  type Lockfile,
  type LockPackage,
  type LockReferences,
  type LockSource,
} from "@lading/core-manifest";
import { installPath } from "./install-path.ts";
import type { InstallPlan, InstallSource, PlannedPackage, PlanOptions } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/**
 * What a lock means for one environment: which packages, which artefact of each, and where each one goes. A name with
 * several versions has one under its plain path (the one that the project names itself, else the highest) and the
 * others below `.versions/`.
 * @throws {InstallerError} `INSTALL_PLAN_INVALID`, `INSTALL_TARGET_MISSING`
 */
export function planInstall(lock: Lockfile, options: PlanOptions): InstallPlan {
  const references = lockReferences(lock.packages);
  const direct = directPackages(lock, references, options);
  const reached = reachable(lock, references, options, direct);
  const wanted = lock.packages.filter((item) => reached.has(item));
  const paths = choosePaths(wanted, direct);
  const packages = wanted.map((item) => plannedPackage(item, { paths, references, direct, options }));
  const skipped = lock.packages
    .filter((item) => !reached.has(item))
    .map((item) => ({ name: item.name, version: item.version, reason: skipReason(item, options) }));
  return { packages: packages.sort((left, right) => (left.path < right.path ? -1 : 1)), skipped };
}

interface Planning {
  readonly paths: ReadonlyMap<LockPackage, string>;
  readonly references: LockReferences;
  readonly direct: ReadonlySet<LockPackage>;
  readonly options: PlanOptions;
}

function directPackages(lock: Lockfile, references: LockReferences, options: PlanOptions): Set<LockPackage> {
  const members = Object.entries(lock.members ?? {}).filter(([name]) => options.members?.includes(name) ?? true);
  return new Set(members.flatMap(([name, items]) => items.map((item) => find(references, item, `member "${name}"`))));
}

// Without members (GAL's short form) every package of the lock is wanted.
function reachable(
  lock: Lockfile,
  references: LockReferences,
  options: PlanOptions,
  direct: ReadonlySet<LockPackage>,
): Set<LockPackage> {
  const reached = new Set<LockPackage>();
  const queue = lock.members === undefined ? [...lock.packages] : [...direct];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const item = next;
    if (reached.has(item) || isOmitted(item, options)) continue;
    reached.add(item);
    queue.push(...item.dependencies.map((reference) => find(references, reference, `"${item.name}" ${item.version}`)));
  }
  return reached;
}

// A package goes when every way to it is of an omitted kind; one normal way keeps it.
function isOmitted(item: LockPackage, options: PlanOptions): boolean {
  const { kinds } = item;
  return kinds !== undefined && kinds.length > 0 && kinds.every((kind) => options.omit?.includes(kind) ?? false);
}

function skipReason(item: LockPackage, options: PlanOptions): string {
  if (!isOmitted(item, options)) return "nothing that is installed needs it";
  return `it is only a ${item.kinds!.join(" and ")} dependency`;
}

function choosePaths(packages: readonly LockPackage[], direct: ReadonlySet<LockPackage>): Map<LockPackage, string> {
  const groups = new Map<string, LockPackage[]>();
  for (const item of packages) {
    const key = item.name.replaceAll(/[_.]/g, "-");
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  const paths = new Map<LockPackage, string>();
  for (const group of groups.values()) {
    const ranked = [...group].sort(
      (left, right) => Number(direct.has(right)) - Number(direct.has(left)) || byVersion(right, left),
    );
    for (const [position, item] of ranked.entries()) {
      paths.set(item, position === 0 ? installPath(item.name) : installPath(item.name, item.version));
    }
  }
  return paths;
}

function byVersion(left: LockPackage, right: LockPackage): number {
  return compareVersions(parseVersion(left.version), parseVersion(right.version));
}

function plannedPackage(item: LockPackage, planning: Planning): PlannedPackage {
  const { paths, references, direct, options } = planning;
  const dependencies = item.dependencies
    .map((reference) => find(references, reference, `"${item.name}" ${item.version}`))
    .filter((dependency) => paths.has(dependency))
    .map((dependency) => [dependency.name, paths.get(dependency)!] as const);
  return {
    name: item.name,
    version: item.version,
    path: paths.get(item)!,
    source: sourceOf(item.source),
    ...contentOf(item, options),
    dependencies: Object.fromEntries(dependencies),
    features: item.features,
    signers: [],
    direct: direct.has(item),
    lock: item,
  };
}

function sourceOf(source: LockSource | undefined): InstallSource {
  if (source === undefined) return { type: "registry" };
  if (source.type === "registry") return { type: "registry", url: source.url };
  if (source.type === "path") return { type: "path", url: source.path };
  return { type: "git", url: source.url, ref: source.commit, commit: source.commit };
}

function contentOf(
  item: LockPackage,
  options: PlanOptions,
): Partial<Pick<PlannedPackage, "tree" | "blob" | "size" | "directory">> {
  if (item.source?.type === "path") return { directory: resolve(options.project, item.source.path) };
  const artifact = chooseArtifact(item, options);
  if (artifact !== undefined) return { tree: artifact.tree, blob: artifact.checksum, size: artifact.size };
  if (item.tree === undefined) throw invalid(item, "the lock has no tree digest for it");
  return { tree: item.tree, ...(item.checksum === undefined ? {} : { blob: item.checksum }) };
}

function chooseArtifact(item: LockPackage, options: PlanOptions): LockArtifact | undefined {
  if (item.artifacts === undefined || item.artifacts.length === 0) return undefined;
  const targets = [...(options.targets ?? []), "any"];
  const found = targets
    .map((target) => item.artifacts!.find((artifact) => artifact.target === target))
    .find((artifact) => artifact !== undefined);
  if (found !== undefined) return found;
  const offered = item.artifacts.map((artifact) => `"${artifact.target}"`).join(", ");
  const wanted = targets.map((target) => `"${target}"`).join(" or ");
  throw new InstallerError({
    code: "INSTALL_TARGET_MISSING",
    message: `Cannot install "${item.name}" ${item.version}: it is offered for ${offered}, wanted is ${wanted}`,
    hint: "Give --target with one that it is offered for, or ask its author for a file for yours",
    offered: item.artifacts.map(({ target }) => target),
    wanted: targets,
  });
}

function find(references: LockReferences, reference: string, from: string): LockPackage {
  const found = references.find(reference);
  if (found !== undefined) return found;
  throw new InstallerError({
    code: "INSTALL_PLAN_INVALID",
    message: `Cannot install from the lock: ${from} refers to "${reference}", which means no package of the lock, or several`,
    hint: "Run lock to write it again",
  });
}

function invalid(item: LockPackage, problem: string): InstallerError {
  const source = item.source === undefined ? "" : ` (${lockSourceString(item.source)})`;
  return new InstallerError({
    code: "INSTALL_PLAN_INVALID",
    message: `Cannot install "${item.name}" ${item.version}${source}: ${problem}`,
    hint: "Run lock to write the lock file again",
  });
}
