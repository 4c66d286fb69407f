import { rm } from "node:fs/promises";
import path from "node:path";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { exists } from "../files.ts";
import { looksLikeGit } from "../git.ts";
import { installProject, type InstallProjectInput, type InstallSummary } from "../install-project.ts";
import { injectFaults, type ChaosInput } from "../chaos-install.ts";
import { parsePackageSpec } from "../package-spec.ts";
import { loadProject, tryLoadProject } from "../project.ts";
import { compatibleRequirement } from "../edit.ts";
import { add, type AddInput, type AddResult } from "./add.ts";
import { isArchive, unpackArchive } from "./archive-source.ts";
import { foldDirectoryName, init } from "./init.ts";

/** What {@link install} is told. */
export interface InstallCommandInput extends InstallProjectInput, ChaosInput {
  /** Names, `name@req`, Git addresses, directories, package files or their https: addresses to add first. Default: none. */
  readonly specs?: readonly string[] | undefined;
  /** `sha256:<hex>` of the one package file among `specs`. */
  readonly checksum?: string | undefined;
}

/**
 * Installs the project's dependencies: a fresh lock is used without any network; else it is made or brought up to date
 * first. With names, they are added to the manifest before; where there is no manifest, one is made.
 */
export async function install(input: InstallCommandInput, context: EngineContext): Promise<InstallSummary> {
  const { specs = [], checksum, chaosProfile, chaosSeed, ...asked } = input;
  if (chaosProfile !== undefined) {
    const told = await injectFaults(context, await loadProject(context), { chaosProfile, chaosSeed });
    try {
      return await install({ specs, checksum, ...asked }, context);
    } finally {
      told();
    }
  }
  if (checksum !== undefined) await refuseStrayChecksum(specs, context);
  if (specs.length === 0) return installProject(await loadProject(context), asked, context);
  const groups = await groupSpecs(specs, context);
  const created = (await tryLoadProject(context)) === undefined ? await makeProject(specs, context) : undefined;
  try {
    let summary: InstallSummary | undefined;
    for (const group of groups) {
      const added = await addGroup({ ...asked, ...group, kind: "normal", install: true }, checksum, context);
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

type AddGroup = Pick<AddInput, "specs" | "path" | "git" | "rev"> & {
  /** A package file, to be unpacked and added as a directory. */
  readonly archive?: string;
};

async function addGroup(
  { archive, ...input }: AddInput & AddGroup,
  checksum: string | undefined,
  context: EngineContext,
): Promise<AddResult> {
  if (archive === undefined) return add(input, context);
  const project = await loadProject(context);
  const unpacked = await unpackArchive({ source: archive, checksum }, project, context);
  const requirement = compatibleRequirement(unpacked.version, context.profile.manifest.requirements);
  try {
    return await add({ ...input, path: unpacked.directory, specs: [`${unpacked.name}@${requirement}`] }, context);
  } catch (error) {
    await unpacked.undo();
    throw error;
  } finally {
    if (input.dryRun === true) await unpacked.undo();
  }
}

async function refuseStrayChecksum(specs: readonly string[], context: EngineContext): Promise<void> {
  const kinds = await Promise.all(specs.map((spec) => isArchive(spec, context)));
  if (kinds.filter(Boolean).length === 1) return;
  throw new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot use the checksum: it is that of one package file, and ${kinds.filter(Boolean).length} are to be installed`,
    hint: "Install each package file with a command of its own",
  });
}

async function makeProject(specs: readonly string[], context: EngineContext): Promise<string> {
  const folder = foldDirectoryName(context.cwd) ?? "my-package";
  // A directory is often called as what is tried out in it, which no package may depend on that has its name and version.
  const word = new RegExp(`(?:^|[^a-z0-9])${folder}(?:[^a-z0-9]|$)`);
  const name = specs.some((spec) => word.test(spec.toLowerCase())) ? `${folder}-project` : folder;
  const made = await init({ manifestOnly: true, name }, context);
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
    if (await isArchive(spec, context)) groups.push({ specs: [], archive: spec });
    else if (looksLikeGit(spec)) groups.push(gitGroup(spec));
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
    message: `Cannot install "${spec}": there is no such directory or file`,
    hint: "Give a package name, a Git address, a directory with a package, or a package file",
  });
}
