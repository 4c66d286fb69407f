import { canonicalName, parsePackageName, removeDependency, type DependencyKind } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { withManifestText, writeThen } from "../edit.ts";
import { installInput } from "../install-project.ts";
import { installLock, type InstallOutcome } from "../install-step.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { chooseMember, loadProject, type MemberChoice } from "../project.ts";

/** What is to be removed. */
export interface RemoveInput extends LockInput, MemberChoice {
  readonly names: readonly string[];
  /** Only from these tables; default: from all. */
  readonly kinds?: readonly DependencyKind[] | undefined;
  /** Default: true. */
  readonly install?: boolean | undefined;
}

/** What was removed. */
export interface RemoveResult {
  readonly member: string;
  readonly removed: readonly string[];
  readonly lock: LockOutcome;
  readonly install: InstallOutcome | undefined;
}

/**
 * Removes dependencies from a manifest, keeping its comments and order, and from lock and installation what nothing else
 * needs.
 * @throws {ManifestError} `MANIFEST_DEPENDENCY_NOT_FOUND`
 */
export async function remove(input: RemoveInput, context: EngineContext): Promise<RemoveResult> {
  const project = await loadProject(context);
  const member = chooseMember(project, input);
  const names = input.names.map((name) => spellingOf(member.manifest.dependencies, name));
  const edited = names.reduce(
    (text, name) =>
      removeDependency(text, {
        dialect: member.dialect,
        file: member.display,
        name,
        ...(input.kinds === undefined ? {} : { kinds: input.kinds }),
      }),
    member.text,
  );
  const after = withManifestText(project, member, edited);
  const lock = await ensureLock(context, after, {
    ...input,
    dryRun: true,
    mode: input.mode === "locked" ? "locked" : "update",
  });
  const result = { member: member.name, removed: names, lock };
  if (input.dryRun === true) return { ...result, install: undefined };
  const reason = `remove ${names.join(" ")}`.slice(0, 200);
  const install = await writeThen(project, { project: after, lock }, async () =>
    input.install === false
      ? undefined
      : installLock(context, after, lock.lock, { ...installInput(after, {}, lock), reason }),
  );
  return { ...result, install };
}

/** The name as the manifest spells it. */
function spellingOf(dependencies: readonly { readonly name: string }[], name: string): string {
  const wanted = canonicalName(parsePackageName(name));
  return dependencies.find((dependency) => canonicalName(parsePackageName(dependency.name)) === wanted)?.name ?? name;
}
