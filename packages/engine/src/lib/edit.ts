import { rm } from "node:fs/promises";
import {
  LATEST_CHANNEL,
  canonicalName,
  compareVersions,
  isPrerelease,
  parseManifest,
  parsePackageName,
  meetsHosts,
  parseVersion,
  type IndexDocument,
  type IndexVersion,
  type RequirementSyntax,
  type Version,
} from "@lading/core-manifest";
import type { FoundPackage } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { writeFileAtomic } from "./files.ts";
import type { Member, Project } from "./project.ts";
import { writeLock } from "./lock-file.ts";
import type { LockOutcome } from "./lock-step.ts";
import { releaseExclusions } from "./release-rules.ts";
import type { ResolverPolicy } from "./resolver-policy.ts";

/** A project whose one manifest is edited in memory. */
export function withManifestText(project: Project, member: Member, text: string): Project {
  const { workspace } = project.rootFile.manifest;
  const manifest = parseManifest(text, {
    file: member.display,
    dialect: member.dialect,
    ...(workspace && { workspace }),
  });
  const replace = <Kind extends Member | Project["rootFile"]>(file: Kind): Kind =>
    file.path === member.path ? { ...file, text, manifest } : file;
  return {
    ...project,
    rootFile: replace(project.rootFile),
    members: project.members.map(replace),
    current: project.current === undefined ? undefined : replace(project.current),
  };
}

/** Writes an edited manifest and the lock that belongs to it: the lock last, since an old lock is merely outdated. */
export async function writeEdited(before: Project, after: Project, outcome: LockOutcome): Promise<void> {
  for (const member of after.members) {
    const old = before.members.find(({ path }) => path === member.path);
    if (old?.text !== member.text) await writeFileAtomic(member.path, member.text);
  }
  await writeLock(after, outcome.lock, outcome.previous);
}

/**
 * Writes an edited manifest and its lock, then does what follows from them; where that fails, both are as they were before.
 */
export async function writeThen<Value>(
  before: Project,
  edited: { readonly project: Project; readonly lock: LockOutcome },
  follow: () => Promise<Value>,
): Promise<Value> {
  await writeEdited(before, edited.project, edited.lock);
  try {
    return await follow();
  } catch (error) {
    await restore(before, edited.project, edited.lock);
    throw error;
  }
}

/** Does what follows from a lock that was written; where that fails, the lock file is as it was before. */
export async function followLock<Value>(
  project: Project,
  lock: LockOutcome,
  follow: () => Promise<Value>,
): Promise<Value> {
  try {
    return await follow();
  } catch (error) {
    if (lock.changed) await restoreLock(project, lock);
    throw error;
  }
}

async function restore(before: Project, after: Project, lock: LockOutcome): Promise<void> {
  for (const old of before.members) {
    const changed = after.members.find(({ path }) => path === old.path);
    if (changed?.text !== old.text) await writeFileAtomic(old.path, old.text);
  }
  await restoreLock(before, lock);
}

async function restoreLock({ lockFile }: Project, { previous }: LockOutcome): Promise<void> {
  if (previous === undefined) await rm(lockFile, { force: true });
  else await writeFileAtomic(lockFile, previous.text);
}

/** A requirement for "this version or a compatible newer one" in a dialect's own words. */
export function compatibleRequirement(version: string, syntax: RequirementSyntax): string {
  if (syntax !== "pep440") return `^${version}`;
  const [major, minor, patch] = version.split(/[.+-]/, 3).map(Number) as [number, number, number];
  const next = major > 0 ? `${major + 1}` : minor > 0 ? `0.${minor + 1}` : `0.0.${patch + 1}`;
  return `>=${version},<${next}`;
}

/**
 * The newest version that may be chosen: active, not a pre-release where there is a stable one, fit for the hosts, and
 * whatever else is `usable`.
 */
export function newestVersion(
  document: IndexDocument,
  hosts: Readonly<Record<string, string>>,
  accepts: (version: Version) => boolean = () => true,
  isUsable: (entry: IndexVersion) => boolean = () => true,
): IndexVersion | undefined {
  const usable = document.versions.filter(
    (entry) =>
      (entry.status === "active" || entry.status === "deprecated") && fitsHosts(entry, hosts) && isUsable(entry),
  );
  const matching = usable.filter(({ version }) => accepts(parseVersion(version)));
  const stable = matching.filter(({ version }) => !isPrerelease(parseVersion(version)));
  return (stable.length > 0 ? stable : matching).toSorted(byVersion).at(-1);
}

/** The newest version that may be chosen under the project's rules, or why there is none. */
export function choosableVersion(
  document: IndexDocument,
  hosts: Readonly<Record<string, string>>,
  policy: Pick<ResolverPolicy, "release" | "allowed">,
  revoked: (entry: IndexVersion) => string | undefined = () => undefined,
): { readonly version: string; readonly heldBack?: string } | { readonly problem: string } {
  const canonical = canonicalName(parsePackageName(document.name));
  const against = (entry: IndexVersion): string | undefined =>
    revoked(entry) ??
    (policy.allowed.has(`${canonical}@${entry.version}`)
      ? undefined
      : releaseExclusions(policy.release, document.name, entry)[0]?.text);
  const upToLatest = notAboveLatest(document);
  const newest = newestVersion(document, hosts, upToLatest);
  const chosen = newestVersion(document, hosts, upToLatest, (entry) => against(entry) === undefined);
  if (chosen === undefined) return { problem: whyNone(document, hosts, against) };
  if (newest === undefined || newest === chosen) return { version: chosen.version };
  return { version: chosen.version, heldBack: `${newest.version} exists but ${(against(newest) ?? "").slice(3)}` };
}

/** The version that a channel of a package names. */
export function channelVersion({ channels }: IndexDocument, channel: string): string | undefined {
  return Object.hasOwn(channels, channel) ? channels[channel] : undefined;
}

/** A name alone means channel `latest`: what its owners keep in another channel above it has to be asked for. */
export function notAboveLatest({ channels, versions }: IndexDocument): (version: Version) => boolean {
  const latest = versions.find(({ version }) => version === channels[LATEST_CHANNEL]);
  if (latest === undefined || ["yanked", "held", "removed"].includes(latest.status)) return () => true;
  const limit = parseVersion(latest.version);
  return (version) => compareVersions(version, limit) <= 0;
}

/** Why no version of a package may be chosen: the newest of each kind, with its reason. */
function whyNone(
  document: IndexDocument,
  hosts: Readonly<Record<string, string>>,
  against: (entry: IndexVersion) => string | undefined,
): string {
  const { versions } = document;
  if (versions.length === 0) return "it has no version";
  const reasonOf = (entry: IndexVersion): string => {
    const because = entry.reason === undefined ? "" : ` (${entry.reason})`;
    if (entry.status === "yanked") return `was yanked${because}`;
    if (entry.status === "held") return `is held for approval${because}`;
    if (entry.status === "removed") return `was taken down${because}`;
    if (!fitsHosts(entry, hosts)) return `is not for ${describeHosts(entry, hosts)}`;
    return (against(entry) ?? "it cannot be used").slice(3);
  };
  const newest = versions.toSorted(byVersion).at(-1)!;
  const yanked = versions.filter(({ status }) => status === "yanked").length;
  if (versions.length === 1) return `its only version ${newest.version} ${reasonOf(newest)}`;
  const why = newest.reason === undefined ? "" : ` (${newest.version}: ${newest.reason})`;
  if (yanked === versions.length) return `all its ${yanked} versions were yanked${why}`;
  return `none of its ${versions.length} versions may be chosen; the newest, ${newest.version}, ${reasonOf(newest)}`;
}

function describeHosts(entry: IndexVersion, hosts: Readonly<Record<string, string>>): string {
  const wrong = Object.entries(entry.hosts).filter(
    ([axis, requirement]) => !fitsHosts({ ...entry, hosts: { [axis]: requirement } }, hosts),
  );
  return wrong.map(([axis, requirement]) => `${axis} ${hosts[axis]}, it needs ${requirement}`).join(" and ");
}

function byVersion(left: IndexVersion, right: IndexVersion): number {
  return compareVersions(parseVersion(left.version), parseVersion(right.version));
}

function fitsHosts({ hosts }: IndexVersion, given: Readonly<Record<string, string>>): boolean {
  return meetsHosts(hosts, given);
}

/**
 * A package's index document with the registry that has it, whose policy and files are the ones that count for it.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`
 */
export async function findPackage(context: EngineContext, name: string, registry?: string): Promise<FoundPackage> {
  const registries = await context.registries();
  const found = await registries.find(name, {
    signal: context.signal,
    ...(registry === undefined ? {} : { registry }),
  });
  if (found !== undefined) return found;
  const asked = registry ?? registries.default.registry.name;
  throw new EngineError({
    code: "PACKAGE_NOT_FOUND",
    message: `Cannot find package "${name}" in registry "${asked}"`,
    hint: `Run "search ${name}" to look for similar names`,
    package: name,
  });
}
