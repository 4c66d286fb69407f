import { lstat, rm } from "node:fs/promises";
import path from "node:path";
import type { Generation } from "@lading/installer";
import { cacheDirectory, type EngineContext, type NoInput } from "../engine-context.ts";
import { displayPath, hasErrno } from "../files.ts";
import { environmentOf } from "../install-step.ts";
import { loadProject, tryLoadProject } from "../project.ts";

/** A generation as it is listed. */
export interface ListedGeneration {
  readonly number: number;
  readonly created: string;
  readonly reason: string;
  readonly packages: number;
  readonly current: boolean;
}

/** The kept generations, oldest first. */
export async function history(_input: NoInput, context: EngineContext): Promise<readonly ListedGeneration[]> {
  const installer = await import("@lading/installer");
  const project = await loadProject(context);
  return installer.history(environmentOf(context, project)).map(listed);
}

function listed({ number, created, reason, packages, current }: Generation): ListedGeneration {
  return { number, created, reason, packages: packages.length, current };
}

/**
 * Switches the environment back with one rename, by default to the generation before; manifest and lock stay.
 * @throws {InstallerError} `INSTALL_NO_GENERATION`
 */
export async function rollback(
  input: { readonly generation?: number | undefined },
  context: EngineContext,
): Promise<{ readonly from: number | undefined; readonly to: ListedGeneration }> {
  const installer = await import("@lading/installer");
  const project = await loadProject(context);
  const { from, to } = await installer.rollback(environmentOf(context, project), input.generation);
  return { from, to: listed({ ...to, current: true }) };
}

/** What {@link clean} deletes; nothing chosen: the build outputs of the project. */
export interface CleanInput {
  /** Index documents, downloads and the content store. */
  readonly cache?: boolean | undefined;
  /** Caches, build outputs and what is installed; never manifest and lock. */
  readonly all?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What was deleted. */
export interface CleanResult {
  /** As shown. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
}

/** Deletes what can be made again. */
export async function clean(input: CleanInput, context: EngineContext): Promise<CleanResult> {
  const removed: string[] = [];
  const project = await tryLoadProject(context);
  const outputs =
    input.cache === true && input.all !== true
      ? []
      : (project?.members ?? []).map(({ directory }) => path.join(directory, context.profile.package.outputDirectory));
  const environment = input.all === true && project !== undefined ? environmentOf(context, project) : undefined;
  // The link first: one that leads nowhere would be taken for a damaged installation.
  const installed = environment === undefined ? [] : [environment.link, environment.state];
  const caches = input.cache === true || input.all === true ? [await cacheDirectory(context)] : [];
  for (const target of [...outputs, ...installed, ...caches]) {
    if (!(await isThere(target))) continue;
    if (input.dryRun !== true) await rm(target, { recursive: true, force: true });
    removed.push(displayPath(target, context.cwd));
  }
  if (caches.length === 0) return { removed, freedBytes: 0 };
  const store = await context.store();
  const report = await store.gc({ maxBytes: 0, dryRun: input.dryRun });
  if (report.removed.length > 0) removed.push(`${report.removed.length} stored packages`);
  return { removed, freedBytes: report.freedBytes };
}

/** A link that leads nowhere is there. */
async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}
