import {
  compareVersions,
  isPrerelease,
  parseManifest,
  parseRequirement,
  parseVersion,
  tryParseVersion,
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
import { fullVersion } from "./resolution.ts";

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

/** A requirement for "this version or a compatible newer one" in a dialect's own words. */
export function compatibleRequirement(version: string, syntax: RequirementSyntax): string {
  if (syntax !== "pep440") return `^${version}`;
  const [major, minor, patch] = version.split(/[.+-]/, 3).map(Number) as [number, number, number];
  const next = major > 0 ? `${major + 1}` : minor > 0 ? `0.${minor + 1}` : `0.0.${patch + 1}`;
  return `>=${version},<${next}`;
}

/** The newest version that may be chosen: active, not a pre-release where there is a stable one, fit for the hosts. */
export function newestVersion(
  document: IndexDocument,
  hosts: Readonly<Record<string, string>>,
  accepts: (version: Version) => boolean = () => true,
): IndexVersion | undefined {
  const usable = document.versions.filter(
    (entry) => (entry.status === "active" || entry.status === "deprecated") && fitsHosts(entry, hosts),
  );
  const matching = usable.filter(({ version }) => accepts(parseVersion(version)));
  const stable = matching.filter(({ version }) => !isPrerelease(parseVersion(version)));
  return (stable.length > 0 ? stable : matching).toSorted(byVersion).at(-1);
}

function byVersion(left: IndexVersion, right: IndexVersion): number {
  return compareVersions(parseVersion(left.version), parseVersion(right.version));
}

function fitsHosts({ hosts }: IndexVersion, given: Readonly<Record<string, string>>): boolean {
  return Object.entries(hosts).every(([axis, requirement]) => {
    const version = given[axis] === undefined ? undefined : tryParseVersion(fullVersion(given[axis]));
    return version === undefined || parseRequirement(requirement, "canonical").matchesWithPrereleases(version);
  });
}

/**
 * The index document of a package.
 * @throws {EngineError} `PACKAGE_NOT_FOUND`
 */
export async function findDocument(context: EngineContext, name: string, registry?: string): Promise<IndexDocument> {
  return (await findPackage(context, name, registry)).document;
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
