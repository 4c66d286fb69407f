import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { generationDirectory, generationsDirectory } from "./environment.ts";
import { readNames } from "./generation.ts";
import type { Environment } from "./install-types.ts";

function trashDirectory(environment: Environment): string {
  return join(environment.state, "trash");
}

/** Moves generations out of the way, which takes no time, whatever their size. */
export function moveToTrash(environment: Environment, numbers: readonly number[]): void {
  if (numbers.length > 0) mkdirSync(trashDirectory(environment), { recursive: true });
  for (const number of numbers) {
    renameSync(
      generationDirectory(environment, number),
      join(trashDirectory(environment), `${number}-${randomBytes(6).toString("hex")}`),
    );
  }
}

/** Moves away what installations that died left half-built. Only under the environment's lock. */
export function sweepUnfinished(environment: Environment): void {
  const directory = generationsDirectory(environment);
  const unfinished = readNames(directory).filter((name) => name.startsWith(".tmp-"));
  if (unfinished.length > 0) mkdirSync(trashDirectory(environment), { recursive: true });
  for (const name of unfinished)
    renameSync(
      join(directory, name),
      join(trashDirectory(environment), `${name.slice(1)}-${randomBytes(6).toString("hex")}`),
    );
}

/**
 * Deletes what is in the trash: after the switch, never before it, since making files right after deleting a tree is many
 * times slower on ext4. What cannot be deleted now is tried again after the next installation.
 */
export async function emptyTrash(environment: Environment, how: "await" | "detached"): Promise<void> {
  const directory = trashDirectory(environment);
  const paths = readNames(directory).map((name) => join(directory, name));
  if (paths.length === 0) return;
  if (how === "detached") deleteDetached(paths);
  else for (const path of paths) await rm(path, { recursive: true, force: true }).catch(() => {});
}

function deleteDetached(paths: readonly string[]): void {
  const script =
    "for (const path of process.argv.slice(1)) require('node:fs').rmSync(path, { recursive: true, force: true })";
  const child = spawn(process.execPath, ["-e", script, ...paths], {
    detached: true,
    stdio: "ignore",
    windowsHide: true,
  });
  // Nobody waits for it, and nobody misses it: the trash is emptied again next time.
  child.on("error", () => {});
  child.unref();
}
