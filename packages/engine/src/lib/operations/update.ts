import { canonicalName, parsePackageName } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { installInput } from "../install-project.ts";
import { installLock, type InstallOutcome } from "../install-step.ts";
import { readLock } from "../lock-file.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { loadProject, type MemberChoice, type Project } from "../project.ts";

/** What may move. */
export interface UpdateInput extends Omit<LockInput, "refresh">, MemberChoice {
  /** Default: everything. */
  readonly names?: readonly string[] | undefined;
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
 * other packages stay byte-identical.
 * @throws {EngineError} `LOCK_PACKAGE_UNKNOWN`
 */
export async function update(input: UpdateInput, context: EngineContext): Promise<UpdateResult> {
  const project = await loadProject(context);
  const names = input.names ?? [];
  await checkNames(context, project, names);
  const lock = await ensureLock(context, project, { ...input, refresh: names.length === 0 ? "all" : names });
  if (input.dryRun === true || input.install === false) return { lock, install: undefined };
  const reason = `update ${names.join(" ")}`.trim().slice(0, 200);
  return {
    lock,
    install: await installLock(context, project, lock.lock, { ...installInput(project, input, lock), reason }),
  };
}

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
