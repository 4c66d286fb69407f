import { chmod, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { parsePackageRecord } from "@lading/core-manifest";
import type { Generation } from "@lading/installer";
import type { EngineContext } from "./engine-context.ts";
import { hasErrno } from "./files.ts";
import { environmentOf } from "./install-step.ts";
import { manifestIn, type Project } from "./project.ts";

/** A program of an installed package. */
export interface InstalledCommand {
  readonly command: string;
  readonly package: string;
  readonly version: string;
  /** Absolute; stays valid when the package is updated. */
  readonly file: string;
}

const SCRIPT_ENDINGS = /\.(?:sh|bash|js|mjs|cjs|py|rb|pl|exe|cmd|bat)$/;

/**
 * Programs of what is installed in a project: the executables that packages declare, by their file's name without the
 * ending of a script. Where two packages have one name, the one that the project names itself wins, then the first by name.
 */
export async function installedCommands(
  context: EngineContext,
  project: Project,
): Promise<readonly InstalledCommand[]> {
  const { current } = await import("@lading/installer");
  const environment = environmentOf(context, project);
  const generation = current(environment);
  if (generation === undefined) return [];
  const ranked = [...generation.packages].sort(
    (left, right) => Number(right.direct) - Number(left.direct) || (left.path < right.path ? -1 : 1),
  );
  const commands = new Map<string, InstalledCommand>();
  for (const record of ranked) {
    const directory = path.join(environment.link, record.path);
    for (const file of await executablesOf(context, record, directory)) {
      const command = path.posix.basename(file).replace(SCRIPT_ENDINGS, "");
      if (commands.has(command)) continue;
      commands.set(command, {
        command,
        package: record.name,
        version: record.version,
        file: path.join(directory, file),
      });
    }
  }
  return [...commands.values()].sort((left, right) => (left.command < right.command ? -1 : 1));
}

async function executablesOf(
  context: EngineContext,
  record: Generation["packages"][number],
  directory: string,
): Promise<readonly string[]> {
  try {
    const text = await readFile(path.join(directory, ".lading", "package.json"), "utf8");
    return parsePackageRecord(JSON.parse(text)).executables;
  } catch (error) {
    if (!hasErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
  // A directory that was never packed says it in its manifest.
  return record.source.type === "path"
    ? ((await manifestIn(context, directory))?.manifest.package?.executables ?? [])
    : [];
}

/** Makes programs callable by their names in a directory; on Windows, where links need rights, by a file that calls them. */
export async function placeCommands(directory: string, commands: readonly InstalledCommand[]): Promise<void> {
  for (const { command, file } of commands) await placeCommand(path.join(directory, command), file);
}

/** One program under one name; what is there must be gone. */
export async function placeCommand(place: string, file: string): Promise<void> {
  if (process.platform !== "win32") return symlink(file, place);
  await writeFile(`${place}.cmd`, `@"${file}" %*\r\n`);
  await chmod(`${place}.cmd`, 0o755);
}
