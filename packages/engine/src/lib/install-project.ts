import type { LockEnvironment } from "@lading/core-manifest";
import type { EngineContext } from "./engine-context.ts";
import { environmentOfLock } from "./environments.ts";
import { followLock } from "./edit.ts";
import { readTextIfExists } from "./files.ts";
import { environmentOf, installLock, type InstallInput, type InstallOutcome } from "./install-step.ts";
import { linksFile } from "./links.ts";
import { ensureLock, type LockOutcome } from "./lock-step.ts";
import { chooseMembers, type Project } from "./project.ts";
import { writeReadyState, type ReadyInput } from "./ready-state.ts";
import { registriesPath } from "./configured-registries.ts";
import { trustFile } from "./signatures.ts";

/** How a project is locked and installed. */
export type InstallProjectInput = ReadyInput;

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
  // A registry that is misspelled is told of even where nothing has to be asked of it.
  if (context.registry !== undefined) await context.registries();
  const policies = await policyFiles(context, project);
  const lock = await ensureLock(context, project, input);
  if (input.dryRun === true) return { lock, install: undefined };
  const install = await followLock(project, lock, () =>
    installLock(context, project, lock.lock, installInput(project, input, lock)),
  );
  recordReady(context, project, { input, lock, install, policies });
  return { lock, install };
}

/** Files of this user that say what is demanded of packages, as they are before anything is done by them. */
async function policyFiles(context: EngineContext, project: Project): Promise<ReadonlyMap<string, string | undefined>> {
  const { userFile, teamFile } = await context.settings();
  const shared = teamFile === undefined ? [] : [teamFile];
  const files = [userFile, registriesPath(context), trustFile(context), linksFile(project), ...shared];
  return new Map(await Promise.all(files.map(async (file) => [file, await readTextIfExists(file)] as const)));
}

/** Lets the next installation see from stamps alone that there is nothing to do. */
function recordReady(
  context: EngineContext,
  project: Project,
  done: InstallSummary & {
    readonly input: InstallProjectInput;
    readonly install: InstallOutcome;
    readonly policies: ReadonlyMap<string, string | undefined>;
  },
): void {
  const { input, lock, install, policies } = done;
  const { workspace } = project.rootFile.manifest;
  writeReadyState(
    input,
    {
      locked: lock.lock.packages.length,
      environments: lock.environments,
      packages: install.packages,
      generation: install.result.generation.number,
      compared: input.mode !== "frozen",
      root: project.root,
      link: environmentOf(context, project).link,
      files: new Map([...context.manifestsSeen, ...policies, [project.lockFile, lock.text]]),
      manifests: [...new Set([project.rootFile, ...project.members].map(({ path }) => path))],
      ...(workspace === undefined
        ? {}
        : { workspace: { members: workspace.members, exclude: workspace.exclude, matched: project.matched } }),
    },
    context,
  );
}

/** The part of an installation that the command line and the lock decide. */
export function installInput(project: Project, input: InstallProjectInput, lock: LockOutcome): InstallInput {
  const chosen = input.package === undefined ? undefined : chooseMembers(project, input).map(({ name }) => name);
  const environment = environmentOfLock(lock.lock, lock.here, lock.declaredIn);
  return {
    lockText: lock.text,
    environment,
    omit: input.omit,
    targets: input.targets ?? (environment["target"] === undefined ? undefined : [environment["target"]]),
    members: chosen,
    link: input.link,
    verify: input.verify,
    hosts: { ...lock.here.hosts, ...withoutTarget(environment) },
    reason: "install",
    ...(input.allowBuild === undefined || input.allowBuild.length === 0 ? {} : { allowBuild: input.allowBuild }),
    ...(input.skipDependencies === true ? { skipValidation: true } : {}),
    ...(input.skipTests === true ? { skipTests: true } : {}),
  };
}

function withoutTarget({ target: _target, ...hosts }: LockEnvironment): LockEnvironment {
  return hosts;
}
