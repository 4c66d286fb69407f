import type { EngineContext } from "./engine-context.ts";
import { installLock, type InstallInput, type InstallOutcome } from "./install-step.ts";
import { ensureLock, type LockInput, type LockOutcome } from "./lock-step.ts";
import { chooseMembers, type MemberChoice, type Project } from "./project.ts";

/** How a project is locked and installed. */
export interface InstallProjectInput
  extends LockInput, Pick<InstallInput, "omit" | "targets" | "link" | "verify">, MemberChoice {}

/** What was installed. */
export interface InstallSummary {
  readonly lock: LockOutcome;
  readonly install: InstallOutcome | undefined;
  /** Manifest that was made because there was none. */
  readonly created?: string;
}

/** Locks and installs a loaded project. */
export async function installProject(
  project: Project,
  input: InstallProjectInput,
  context: EngineContext,
): Promise<InstallSummary> {
  const lock = await ensureLock(context, project, input);
  if (input.dryRun === true) return { lock, install: undefined };
  return { lock, install: await installLock(context, project, lock.lock, installInput(project, input, lock)) };
}

/** The part of an installation that the command line and the lock decide. */
export function installInput(project: Project, input: InstallProjectInput, lock: LockOutcome): InstallInput {
  const chosen = input.package === undefined ? undefined : chooseMembers(project, input).map(({ name }) => name);
  return {
    lockText: lock.text,
    omit: input.omit,
    targets: input.targets,
    members: chosen,
    link: input.link,
    verify: input.verify,
    hosts: lock.hosts,
    reason: "install",
  };
}
