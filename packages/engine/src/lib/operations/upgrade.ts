import {
  addDependency,
  canonicalName,
  parsePackageName,
  parseRequirement,
  parseVersion,
  type ManifestDependency,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { choosableVersion, compatibleRequirement, findPackage, withManifestText, writeThen } from "../edit.ts";
import { EngineError } from "../engine-error.ts";
import { revokedTexts } from "../revocations.ts";
import { hostVersions } from "../hosts.ts";
import { installInput, type InstallProjectInput } from "../install-project.ts";
import { installLock, type InstallOutcome } from "../install-step.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { readPolicy, type ResolverPolicy } from "../resolver-policy.ts";
import { chooseMembers, loadProject, type Member, type MemberChoice, type Project } from "../project.ts";

/** What is to be raised. */
export interface UpgradeInput
  extends
    Omit<LockInput, "refresh">,
    MemberChoice,
    Pick<InstallProjectInput, "omit" | "targets" | "link" | "skipTests"> {
  /** Default: every direct dependency from a registry. */
  readonly names?: readonly string[] | undefined;
  /** Exact version to go to; needs exactly one name. */
  readonly to?: string | undefined;
  /** Default: true. */
  readonly install?: boolean | undefined;
}

/** One range that was edited. */
export interface EditedRange {
  readonly member: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** What was raised. */
export interface UpgradeResult {
  readonly edited: readonly EditedRange[];
  readonly lock: LockOutcome;
  readonly install: InstallOutcome | undefined;
}

/**
 * Edits ranges in manifests so that the newest versions are allowed, then locks and installs them. Nothing is written
 * when no solution exists.
 * @throws {EngineError} `SPEC_INVALID`, `VERSION_NOT_FOUND`, `RESOLUTION_IMPOSSIBLE`
 */
export async function upgrade(input: UpgradeInput, context: EngineContext): Promise<UpgradeResult> {
  const project = await loadProject(context);
  const names = input.names ?? [];
  if (input.to !== undefined && names.length !== 1) {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot upgrade ${names.length} packages to one version: name exactly one`,
    });
  }
  const edits = await collectEdits(project, input, context);
  const after = edits.reduce(applyEdit, project);
  const refresh =
    edits.length === 0 && names.length === 0
      ? ("all" as const)
      : [...names, ...edits.map(({ dependency }) => realName(dependency))];
  const lock = await ensureLock(context, after, { ...input, refresh, dryRun: true });
  const edited = edits.map(({ member, dependency, requirement }) => ({
    member: member.name,
    name: dependency.name,
    from: dependency.requirement ?? "",
    to: requirement,
  }));
  if (input.dryRun === true) return { edited, lock, install: undefined };
  const reason = `upgrade ${edited.map(({ name }) => name).join(" ")}`.trim().slice(0, 200);
  const install = await writeThen(project, { project: after, lock }, async () =>
    input.install === false
      ? undefined
      : installLock(context, after, lock.lock, { ...installInput(after, input, lock), reason }),
  );
  return { edited, lock, install };
}

interface Edit {
  readonly member: Member;
  readonly dependency: ManifestDependency;
  readonly requirement: string;
}

const realName = (dependency: ManifestDependency): string => dependency.package ?? dependency.name;
const fold = (name: string): string => canonicalName(parsePackageName(name));

async function collectEdits(project: Project, input: UpgradeInput, context: EngineContext): Promise<Edit[]> {
  const wanted = new Set((input.names ?? []).map(fold));
  const hosts = await hostVersions(context, input.hosts ?? []);
  const policy = await readPolicy(context, project, input);
  const edits: Edit[] = [];
  const found = new Set<string>();
  for (const member of chooseMembers(project, {
    ...input,
    workspace: input.workspace ?? project.current === undefined,
  })) {
    for (const dependency of member.manifest.dependencies) {
      if (wanted.size > 0 && !wanted.has(fold(realName(dependency)))) continue;
      found.add(fold(realName(dependency)));
      const requirement = await newRequirement(dependency, input.to, { hosts, policy }, context);
      if (requirement !== undefined) edits.push({ member, dependency, requirement });
    }
  }
  const missing = (input.names ?? []).find((name) => !found.has(fold(name)));
  if (missing === undefined) return edits;
  throw new EngineError({
    code: "LOCK_PACKAGE_UNKNOWN",
    message: `Cannot upgrade "${missing}": no manifest names it as a dependency`,
    hint: `Dependencies of dependencies move with "update ${missing}"`,
  });
}

async function newRequirement(
  dependency: ManifestDependency,
  to: string | undefined,
  { hosts, policy }: { readonly hosts: Readonly<Record<string, string>>; readonly policy: ResolverPolicy },
  context: EngineContext,
): Promise<string | undefined> {
  if (dependency.source.type !== "registry" || dependency.canonicalRequirement === undefined) return undefined;
  const found = await findPackage(context, realName(dependency), dependency.source.registry);
  const { document } = found;
  const newest = choosableVersion(document, hosts, policy, await revokedTexts(context, found));
  const target = to === undefined ? ("version" in newest ? newest.version : undefined) : parseVersion(to);
  if (target === undefined) return undefined;
  if (to !== undefined && !document.versions.some(({ version }) => version === target)) {
    throw new EngineError({
      code: "VERSION_NOT_FOUND",
      message: `Cannot upgrade "${dependency.name}" to ${target}: the registry has no such version`,
    });
  }
  const accepted = parseRequirement(dependency.canonicalRequirement, "canonical").matches(parseVersion(target));
  if (accepted && to === undefined) return undefined;
  return compatibleRequirement(target, context.profile.manifest.requirements);
}

function applyEdit(project: Project, { member, dependency, requirement }: Edit): Project {
  const current = project.members.find(({ path }) => path === member.path)!;
  const { canonicalRequirement: _, location: __, ...rest } = dependency;
  const text = addDependency(current.text, {
    dialect: current.dialect,
    file: current.display,
    dependency: { ...rest, requirement },
  });
  return withManifestText(project, current, text);
}
