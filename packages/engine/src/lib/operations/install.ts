import { rm } from "node:fs/promises";
import path from "node:path";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { exists } from "../files.ts";
import { looksLikeGit } from "../git.ts";
import { installProject, type InstallProjectInput, type InstallSummary } from "../install-project.ts";
import { parsePackageSpec } from "../package-spec.ts";
import { loadProject, tryLoadProject } from "../project.ts";
import { add, type AddInput } from "./add.ts";
import { init } from "./init.ts";

/** What {@link install} is told. */
export interface InstallCommandInput extends InstallProjectInput {
  /** Names, `name@req`, Git addresses or directories to add first. Default: none. */
  readonly specs?: readonly string[] | undefined;
}

/**
 * Installs the project's dependencies: a fresh lock is used without any network; else it is made or brought up to date
 * first. With names, they are added to the manifest before; where there is no manifest, one is made.
 */
export async function install(input: InstallCommandInput, context: EngineContext): Promise<InstallSummary> {
  const { specs = [], ...asked } = input;
  if (specs.length === 0) return installProject(await loadProject(context), asked, context);
  const groups = await groupSpecs(specs, context);
  const created = (await tryLoadProject(context)) === undefined ? await makeProject(context) : undefined;
  try {
    let summary: InstallSummary | undefined;
    for (const group of groups) {
      const added = await add({ ...input, ...group, kind: "normal", install: true }, context);
      summary = { lock: added.lock, install: added.install, ...(created === undefined ? {} : { created }) };
    }
    return summary!;
  } catch (error) {
    if (created !== undefined) await rm(path.join(context.cwd, created), { force: true });
    throw error;
  } finally {
    if (created !== undefined && input.dryRun === true) await rm(path.join(context.cwd, created), { force: true });
  }
}

type AddGroup = Pick<AddInput, "specs" | "path" | "git" | "rev">;

async function makeProject(context: EngineContext): Promise<string> {
  const made = await init({ manifestOnly: true }, context);
  context.onEvent({
    type: "info",
    message: `Made ${made.manifest} for package "${made.name}", since there was no manifest`,
  });
  return made.manifest;
}

/** Registry names are added together; Git addresses and directories one by one. */
async function groupSpecs(specs: readonly string[], context: EngineContext): Promise<AddGroup[]> {
  const names: string[] = [];
  const groups: AddGroup[] = [];
  for (const spec of specs) {
    if (looksLikeGit(spec)) groups.push(gitGroup(spec));
    else if (await isDirectory(spec, context)) groups.push({ specs: [], path: spec });
    else {
      parsePackageSpec(spec);
      names.push(spec);
    }
  }
  return names.length === 0 ? groups : [{ specs: names }, ...groups];
}

function gitGroup(spec: string): AddGroup {
  const [url, reference] = spec.split("#", 2);
  return { specs: [], git: url!, ...(reference === undefined ? {} : { rev: reference }) };
}

async function isDirectory(spec: string, context: EngineContext): Promise<boolean> {
  if (!/^(?:\.{1,2}(?:\/|$)|\/|~\/)/.test(spec)) return false;
  if (await exists(path.resolve(context.cwd, spec))) return true;
  throw new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot install "${spec}": there is no such directory`,
    hint: "Give a package name, a Git address or a directory with a package",
  });
}
