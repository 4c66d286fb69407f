import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { followLock } from "../edit.ts";
import { EngineError } from "../engine-error.ts";
import { installInput, type InstallProjectInput } from "../install-project.ts";
import { installLock, type InstallOutcome } from "../install-step.ts";
import { readLock } from "../lock-file.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { parseVersionSpec } from "../package-spec.ts";
import { loadProject, type MemberChoice, type Project } from "../project.ts";
import type { AskedVersion } from "../resolution.ts";
import { checkPrecise } from "./resolve.ts";

/** What may move. */
export interface UpdateInput
  extends
    Omit<LockInput, "refresh" | "exact">,
    MemberChoice,
    Pick<InstallProjectInput, "omit" | "targets" | "link" | "skipTests"> {
  /** Default: everything. */
  readonly names?: readonly string[] | undefined;
  /** `name@version`, or the version alone of the one name given: the version to move to, newer or older. */
  readonly precise?: string | undefined;
  /** Default: true. */
  readonly install?: boolean | undefined;
}

/** What moved. */
export interface UpdateResult {
  readonly lock: LockOutcome;
  readonly install: InstallOutcome | undefined;
}

/**
 * Moves locked versions within the ranges of the manifests; with names, those alone, and what they newly need. Entries of
 * other packages stay byte-identical. A precise version may be yanked or too new: who names it has decided.
 * @throws {EngineError} `LOCK_PACKAGE_UNKNOWN`, `SPEC_INVALID`, `VERSION_NOT_FOUND`, `RESOLUTION_IMPOSSIBLE`
 */
export async function update(input: UpdateInput, context: EngineContext): Promise<UpdateResult> {
  const project = await loadProject(context);
  const precise = preciseVersion(input);
  const names = precise === undefined ? (input.names ?? []) : [precise.name];
  await checkNames(context, project, names);
  if (precise !== undefined) await checkPrecise(context, project, precise, input);
  const lock = await ensureLock(context, project, {
    ...input,
    refresh: names.length === 0 ? "all" : names,
    exact: precise === undefined ? undefined : [precise],
  });
  if (input.dryRun === true || input.install === false) return { lock, install: undefined };
  const reason = `update ${names.join(" ")}`.trim().slice(0, 200);
  return {
    lock,
    install: await followLock(project, lock, () =>
      installLock(context, project, lock.lock, { ...installInput(project, input, lock), reason }),
    ),
  };
}

function preciseVersion({ precise, names = [] }: UpdateInput): AskedVersion | undefined {
  if (precise === undefined) return undefined;
  const [only, ...others] = names;
  const spec = only === undefined || precise.includes("@") ? precise : `${only}@${precise}`;
  const { name, version } = parseVersionSpec(spec);
  if (others.length === 0 && (only === undefined || fold(only) === fold(name)))
    return { name, version: parseVersion(version) };
  throw new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot update to "${precise}": a precise version is for one package, and ${names.length} are named`,
  });
}

const fold = (name: string): string => canonicalName(parsePackageName(name));

async function checkNames(context: EngineContext, project: Project, names: readonly string[]): Promise<void> {
  const locked = (await readLock(context, project))?.lock;
  if (locked === undefined) return;
  const known = new Set(locked.packages.map(({ name }) => canonicalName(parsePackageName(name))));
  for (const name of names) {
    if (known.has(canonicalName(parsePackageName(name)))) continue;
    throw new EngineError({
      code: "LOCK_PACKAGE_UNKNOWN",
      message: `Cannot update "${name}": the lock file has no package of that name`,
      package: name,
    });
  }
}
