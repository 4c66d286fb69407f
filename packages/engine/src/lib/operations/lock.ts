import type { EngineContext } from "../engine-context.ts";
import { ensureLock, type LockInput, type LockOutcome } from "../lock-step.ts";
import { loadProject } from "../project.ts";

/** Brings the lock file up to date and installs nothing. */
export async function lock(input: LockInput, context: EngineContext): Promise<LockOutcome> {
  return ensureLock(context, await loadProject(context), input);
}
