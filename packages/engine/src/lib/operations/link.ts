import { rm } from "node:fs/promises";
import path from "node:path";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, writeFileAtomic } from "../files.ts";
import { installProject } from "../install-project.ts";
import { linksFile, readLinks, type Links } from "../links.ts";
import { readLock } from "../lock-file.ts";
import { loadProject, manifestIn, type Project } from "../project.ts";

/** A package that a directory stands in for. */
export interface LinkedPackage {
  readonly name: string;
  readonly directory: string;
}

/** What is linked now, and what changed. */
export interface LinkResult {
  readonly linked: readonly LinkedPackage[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Lets directories stand in for packages that the project depends on, on this machine only: manifest and lock stay as they
 * are, and every installation keeps the links until {@link unlink}. Without directories: what is linked.
 * @throws {EngineError} `LINK_UNKNOWN`, `LINK_INVALID`
 */
export async function link(
  input: { readonly directories?: readonly string[] | undefined; readonly dryRun?: boolean | undefined },
  context: EngineContext,
): Promise<LinkResult> {
  const project = await loadProject(context);
  const before = await readLinks(project);
  const wanted = await Promise.all(
    (input.directories ?? []).map((directory) => packageIn(directory, project, context)),
  );
  if (wanted.length === 0) return { linked: shown(before, context), added: [], removed: [] };
  const after = { ...before, ...Object.fromEntries(wanted.map(({ name, directory }) => [name, directory])) };
  if (input.dryRun !== true) await apply(project, { before, after }, context);
  return { linked: shown(after, context), added: wanted.map(({ name }) => name), removed: [] };
}

/**
 * Ends links; the locked packages are installed again.
 * @throws {EngineError} `LINK_UNKNOWN`
 */
export async function unlink(
  input: {
    readonly names?: readonly string[] | undefined;
    readonly all?: boolean | undefined;
    readonly dryRun?: boolean | undefined;
  },
  context: EngineContext,
): Promise<LinkResult> {
  const project = await loadProject(context);
  const before = await readLinks(project);
  const names = input.all === true ? Object.keys(before) : (input.names ?? []).map((name) => linkedName(name, before));
  const after = Object.fromEntries(Object.entries(before).filter(([name]) => !names.includes(name)));
  if (input.dryRun !== true && names.length > 0) await apply(project, { before, after }, context);
  return { linked: shown(after, context), added: [], removed: names };
}

function linkedName(name: string, links: Links): string {
  const found = Object.keys(links).find((one) => fold(one) === fold(name));
  if (found !== undefined) return found;
  throw new EngineError({
    code: "LINK_UNKNOWN",
    message: `Cannot unlink "${name}": linked are ${
      Object.keys(links)
        .map((one) => `"${one}"`)
        .join(", ") || "no packages"
    }`,
  });
}

async function packageIn(given: string, project: Project, context: EngineContext): Promise<LinkedPackage> {
  const directory = path.resolve(context.cwd, given);
  const found = await manifestIn(context, directory);
  if (found?.manifest.package === undefined) {
    throw new EngineError({ code: "LINK_INVALID", message: `Cannot link "${given}": there is no package in it` });
  }
  const { name } = found.manifest.package;
  const locked = (await readLock(context, project))?.lock.packages ?? [];
  if (locked.some((one) => fold(one.name) === fold(name))) return { name, directory };
  throw new EngineError({
    code: "LINK_UNKNOWN",
    message: `Cannot link "${name}" of "${given}": the project does not depend on it`,
    hint: `Run "add ${name}" first, or "add --path ${given}" to depend on the directory itself`,
  });
}

/** Writes the links and installs by them; both stay as they were where that fails. */
async function apply(
  project: Project,
  { before, after }: { readonly before: Links; readonly after: Links },
  context: EngineContext,
): Promise<void> {
  await writeLinks(project, after);
  try {
    await installProject(project, { mode: "frozen" }, context);
  } catch (error) {
    await writeLinks(project, before);
    throw error;
  }
}

async function writeLinks(project: Project, links: Links): Promise<void> {
  const file = linksFile(project);
  if (Object.keys(links).length === 0) await rm(file, { force: true });
  else await writeFileAtomic(file, `${JSON.stringify({ format: 1, links }, null, 2)}\n`);
}

const shown = (links: Links, context: EngineContext): LinkedPackage[] =>
  Object.entries(links).map(([name, directory]) => ({ name, directory: displayPath(directory, context.cwd) }));

const fold = (name: string): string => canonicalName(parsePackageName(name));
