import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { Environment } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/** Name of the directory, beside the project's manifest, that holds generations and state. */
export const STATE_DIRECTORY = ".lading";

/** The environment of a project: its packages are seen at `<project>/<directory>`. */
export function projectEnvironment(project: string, directory: string): Environment {
  return { state: resolve(project, STATE_DIRECTORY), link: resolve(project, directory) };
}

export function generationsDirectory(environment: Environment): string {
  return join(environment.state, "gen");
}

export function generationDirectory(environment: Environment, number: number): string {
  return join(environment.state, "gen", String(number));
}

/** Number of the generation that the link names; `undefined` where there is no link, or none of ours. */
export function currentNumber(environment: Environment): number | undefined {
  const target = readLink(environment.link);
  if (target === undefined) return undefined;
  const found = /^([1-9]\d{0,8})$/.exec(relative(generationsDirectory(environment), target));
  return found === null ? undefined : Number(found[1]);
}

/**
 * Refuses a place that something else has: only a link into the environment's own generations is ever replaced.
 * @throws {InstallerError} `INSTALL_TARGET_OCCUPIED`
 */
export function refuseOccupied(environment: Environment): void {
  const found = lstatSync(environment.link, { throwIfNoEntry: false });
  if (found === undefined || currentNumber(environment) !== undefined) return;
  const kind = found.isDirectory() ? "directory" : found.isSymbolicLink() ? "link to somewhere else" : "file";
  throw new InstallerError({
    code: "INSTALL_TARGET_OCCUPIED",
    message: `Cannot install to "${environment.link}": a ${kind} is there that Lading did not make`,
    hint: "Move it away, or choose another directory",
    path: environment.link,
  });
}

/** Makes the link name a generation: one rename on POSIX systems, so that there is no moment without an environment. */
export function switchTo(environment: Environment, number: number): void {
  refuseOccupied(environment);
  mkdirSync(dirname(environment.link), { recursive: true });
  const temporary = `${environment.link}.${randomBytes(6).toString("hex")}.tmp`;
  const target = generationDirectory(environment, number);
  const windows = process.platform === "win32";
  try {
    symlinkSync(
      windows ? target : relative(dirname(environment.link), target),
      temporary,
      windows ? "junction" : "dir",
    );
    // A junction cannot be replaced by a rename: there, and only there, the environment is absent for a moment.
    if (windows) rmSync(environment.link, { force: true, recursive: false });
    renameSync(temporary, environment.link);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function readLink(path: string): string | undefined {
  try {
    const target = readlinkSync(path);
    return isAbsolute(target) ? target : resolve(dirname(path), target);
  } catch (error) {
    if (["ENOENT", "EINVAL", "ENOTDIR", "UNKNOWN"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw error;
  }
}
