import { constants, copyFileSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LinkStrategy } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/** What is tried first on this platform: on APFS a clone is cheap and safe to edit, elsewhere a hard link is cheapest. */
export function linkLadder(platform: NodeJS.Platform = process.platform): readonly LinkStrategy[] {
  return platform === "darwin" ? ["reflink", "hardlink", "copy"] : ["hardlink", "reflink", "copy"];
}

const probed = new Map<string, LinkStrategy>();

/**
 * The first way of the ladder that works from one directory to another, found by trying it on one small file and
 * remembered for the pair of file systems: finding out per file costs more than linking.
 * @throws {InstallerError} `INSTALL_LINK_UNSUPPORTED` where `wanted` names a way that does not work
 */
export function chooseLink(from: string, to: string, wanted: LinkStrategy | "auto"): LinkStrategy {
  const key = `${statSync(from).dev} ${statSync(to).dev} ${wanted}`;
  const known = probed.get(key);
  if (known !== undefined) return known;
  const found = (wanted === "auto" ? linkLadder() : [wanted]).find((strategy) => works(strategy, from, to));
  if (found === undefined) {
    throw new InstallerError({
      code: "INSTALL_LINK_UNSUPPORTED",
      message: `Cannot install by "${wanted}": it does not work from "${from}" to "${to}"`,
      hint: "Use --link auto, or put the data directory on the same file system",
      strategy: wanted,
    });
  }
  probed.set(key, found);
  return found;
}

function works(strategy: LinkStrategy, from: string, to: string): boolean {
  const name = `.probe-${randomBytes(6).toString("hex")}`;
  const [source, target] = [join(from, name), join(to, `${name}.link`)];
  try {
    writeFileSync(source, "probe", { flag: "wx" });
    linkFile(strategy, source, target);
    return true;
  } catch (error) {
    // Whatever the file system answers (EXDEV, EPERM, ENOTSUP, EINVAL, ...): this way is not open here.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  } finally {
    rmSync(source, { force: true });
    rmSync(target, { force: true });
  }
}

/** Makes `target` from `source` in the given way. */
export function linkFile(strategy: LinkStrategy, source: string, target: string): void {
  if (strategy === "copy") copyFileSync(source, target, constants.COPYFILE_EXCL);
  else if (strategy === "reflink")
    copyFileSync(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  else linkOrCopy(source, target);
}

// ext4 allows 65,000 names of one file; an empty `__init__.py` in thousands of environments gets there.
function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EMLINK") throw error;
    copyFileSync(source, target, constants.COPYFILE_EXCL);
  }
}

/** Makes directories once each, from a set of those that were made. */
export class DirectoryMaker {
  readonly #made = new Set<string>();

  /** `root` exists; `path` is below it, `/` separated. */
  make(root: string, path: string): void {
    const full = `${root}/${path}`;
    if (path === "" || this.#made.has(full)) return;
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.make(root, path.slice(0, slash));
    try {
      mkdirSync(full);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    this.#made.add(full);
  }

  /** Makes the directory that `path` is in. */
  makeParent(root: string, path: string): void {
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.make(root, path.slice(0, slash));
  }
}
