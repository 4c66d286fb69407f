import type { EngineContext } from "../engine-context.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { loadProject } from "../project.ts";

/** What {@link lock} is told. */
export interface LockCommandInput extends LockInput {
  /** Every known version of every host that the members support. */
  readonly allHosts?: boolean | undefined;
}

/**
 * Brings the lock file up to date and installs nothing. `hosts` and `targets`, with all their values, are the environments
 * that the lock is for from now on; axes that they do not name stay as they are.
 */
export async function lock(input: LockCommandInput, context: EngineContext): Promise<LockOutcome> {
  const { hosts, targets, allHosts, ...rest } = input;
  return ensureLock(context, await loadProject(context), { ...rest, grid: { hosts, targets, allHosts } });
}
