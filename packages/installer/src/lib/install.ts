import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ignoreEvents, isLadingError, type Digest } from "@lading/core-manifest";
import { withEnvironmentLock } from "./environment-lock.ts";
import { currentNumber, generationDirectory, generationsDirectory, refuseOccupied, switchTo } from "./environment.ts";
import { generationNumbers, readGeneration, RECORD_DIRECTORY, writeRecord } from "./generation.ts";
import { checkPaths } from "./install-path.ts";
import type {
  Environment,
  Generation,
  InstallGenerationOptions,
  InstallPackage,
  InstallRecord,
  InstallResult,
  LinkStrategy,
} from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";
import { chooseLink, DirectoryMaker, linkFile } from "./link.ts";
import type { Store } from "./store-types.ts";
import { checkFile } from "./tree-check.ts";
import { emptyTrash, moveToTrash, sweepUnfinished } from "./trash.ts";

const DEFAULT_KEEP = 3;
/** Packages between two looks at the signal and the event loop. */
const PACKAGES_A_TURN = 32;

/**
 * Builds a new generation beside the current one and switches to it with one rename. Until that rename the earlier
 * generation is in place, untouched, whatever fails. Scripts of packages are never run.
 * @throws {InstallerError} `INSTALL_PATH_INVALID`, `INSTALL_TARGET_OCCUPIED`, `INSTALL_LINK_UNSUPPORTED`, `INSTALL_BUSY`,
 *   `INSTALL_WRITE_FAILED`, `STORE_PACKAGE_MISSING`, `STORE_PACKAGE_DAMAGED`
 */
export async function installGeneration(options: InstallGenerationOptions): Promise<InstallResult> {
  const started = performance.now();
  const packages = [...options.packages].sort((left, right) => (left.path < right.path ? -1 : 1));
  checkPaths(packages);
  const build = new Build(options, packages);
  const { environment } = options;
  const { generation, previous } = await explained(options, () =>
    withEnvironmentLock(environment, async () => {
      refuseOccupied(environment);
      sweepUnfinished(environment);
      const earlier = currentGeneration(environment);
      const number = await build.write(earlier);
      retainTrees(environment, options.store, packages);
      switchTo(environment, number);
      moveToTrash(environment, superseded(environment, options.keep ?? DEFAULT_KEEP));
      return { generation: readGeneration(environment, number), previous: earlier };
    }),
  );
  const cleanup = emptyTrash(environment, options.cleanup ?? "await");
  return {
    generation,
    previous: previous?.number,
    ...compare(previous?.packages ?? [], generation.packages),
    files: build.files,
    durationMs: performance.now() - started,
    cleanup,
  };
}

/** One generation being written into a directory that nobody sees yet. */
class Build {
  readonly #options: InstallGenerationOptions;
  readonly #packages: readonly InstallPackage[];
  readonly #directories = new DirectoryMaker();
  files = 0;

  constructor(options: InstallGenerationOptions, packages: readonly InstallPackage[]) {
    this.#options = options;
    this.#packages = packages;
  }

  async write(earlier: Generation | undefined): Promise<number> {
    const { environment } = this.#options;
    const parent = generationsDirectory(environment);
    mkdirSync(parent, { recursive: true });
    const temporary = join(parent, `.tmp-${randomBytes(6).toString("hex")}`);
    const onEvent = this.#options.onEvent ?? ignoreEvents;
    const started = performance.now();
    onEvent({ type: "step-started", step: "link", message: `Linking ${this.#packages.length} packages` });
    try {
      mkdirSync(join(temporary, RECORD_DIRECTORY), { recursive: true });
      const link = await this.#fill(temporary);
      const number = (generationNumbers(environment).at(-1) ?? 0) + 1;
      writeRecord(temporary, this.#record(number, link, earlier));
      renameSync(temporary, generationDirectory(environment, number));
      const durationMs = performance.now() - started;
      onEvent({
        type: "step-completed",
        step: "link",
        message: `Linked ${this.#packages.length} package${this.#packages.length === 1 ? "" : "s"}`,
        durationMs,
      });
      return number;
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  async #fill(root: string): Promise<LinkStrategy | "symlink"> {
    const { layout, store, signal } = this.#options;
    const strategy =
      layout === "linked" ? "symlink" : chooseLink(join(store.directory, "tmp"), root, this.#options.link ?? "auto");
    for (const [position, item] of this.#packages.entries()) {
      if (position % PACKAGES_A_TURN === 0) await nextTurn();
      signal?.throwIfAborted();
      this.#place(root, item, strategy);
    }
    return strategy;
  }

  #place(root: string, item: InstallPackage, strategy: LinkStrategy | "symlink"): void {
    if (item.directory !== undefined) this.#linkDirectory(root, item, resolve(item.directory));
    else if (item.tree === undefined) throw planInvalid(item, "it has neither content nor a directory");
    else if (strategy === "symlink") this.#linkTree(root, item, item.tree);
    else this.#copyTree(root, item, item.tree, strategy);
  }

  #linkDirectory(root: string, item: InstallPackage, directory: string): void {
    if (lstatSync(directory, { throwIfNoEntry: false }) === undefined)
      throw planInvalid(item, `its directory "${directory}" does not exist`);
    this.#symlink(root, item.path, directory);
  }

  #linkTree(root: string, item: InstallPackage, tree: Digest): void {
    // Unchecked, a link needs no list of files: only that there is something to link to.
    if (this.#options.verify !== "none" || !this.#options.store.has(tree)) this.#check(item, tree);
    this.#symlink(root, item.path, this.#options.store.path(tree));
  }

  // Relative and short: the environment can be moved together with the store, and every lookup reads it.
  #symlink(root: string, path: string, target: string): void {
    this.#directories.makeParent(root, path);
    const place = `${root}/${path}`;
    const windows = process.platform === "win32";
    symlinkSync(windows ? target : relative(dirname(place), target), place, windows ? "junction" : "dir");
  }

  #copyTree(root: string, item: InstallPackage, tree: Digest, strategy: LinkStrategy): void {
    const files = this.#check(item, tree);
    const from = this.#options.store.path(tree);
    this.#directories.make(root, item.path);
    const to = `${root}/${item.path}`;
    for (const { path } of files) {
      this.#directories.makeParent(to, path);
      linkFile(strategy, `${from}/${path}`, `${to}/${path}`);
    }
    this.files += files.length;
  }

  // A store that was edited, or emptied by a power failure, must not spread.
  #check(item: InstallPackage, tree: Digest): readonly { readonly path: string }[] {
    const level = this.#options.verify ?? "quick";
    const files = this.#options.store.files(tree);
    if (level === "none") return files;
    const root = this.#options.store.path(tree);
    for (const file of files) {
      const problem = checkFile(root, file, level === "full");
      if (problem !== undefined) throw storeDamaged(item, tree, `"${problem.path}" is ${problem.kind}`);
    }
    return files;
  }

  #record(
    number: number,
    link: LinkStrategy | "symlink",
    earlier: Generation | undefined,
  ): Omit<Generation, "directory" | "current"> {
    const { layout, hosts, reason } = this.#options;
    const created = new Date(this.#options.now ?? Date.now()).toISOString();
    const packages = this.#packages.map((item) => recordOf(item, earlier, created));
    return { number, created, reason: reason ?? "install", layout, link, hosts: hosts ?? {}, packages };
  }
}

// The system's errors say which call failed; the user wants to know what became of the environment.
async function explained<T>(options: InstallGenerationOptions, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isLadingError(error) || options.signal?.aborted === true) throw error;
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new InstallerError({
      code: "INSTALL_WRITE_FAILED",
      message: `Cannot write a new generation of "${options.environment.link}": ${error.message}`,
      hint: "The earlier generation is still in place; check free space and permissions and run the command again",
      cause: error,
    });
  }
}

function recordOf(item: InstallPackage, earlier: Generation | undefined, created: string): InstallRecord {
  const before = earlier?.packages.find((record) => record.path === item.path && record.tree === item.tree);
  return {
    name: item.name,
    version: item.version,
    path: item.path,
    source: item.source,
    ...(item.blob === undefined ? {} : { checksum: item.blob }),
    ...(item.tree === undefined ? {} : { tree: item.tree }),
    features: item.features,
    signers: item.signers,
    direct: item.direct,
    dependencies: item.dependencies,
    installed: before?.installed ?? created,
  };
}

// An unreadable current generation is replaced by a good one; it has nothing to tell the new one.
function currentGeneration(environment: Environment): Generation | undefined {
  const number = currentNumber(environment);
  if (number === undefined) return undefined;
  try {
    return readGeneration(environment, number);
  } catch (error) {
    if (error instanceof InstallerError) return undefined;
    throw error;
  }
}

function retainTrees(environment: Environment, store: Store, packages: readonly InstallPackage[]): void {
  const earlier = generationNumbers(environment).flatMap((number) => {
    try {
      return readGeneration(environment, number).packages;
    } catch (error) {
      if (error instanceof InstallerError) return [];
      throw error;
    }
  });
  const trees = [...packages, ...earlier].map((item) => item.tree).filter((tree) => tree !== undefined);
  store.touch(packages.map((item) => item.tree).filter((tree) => tree !== undefined));
  store.retain(environment.state, trees);
}

function superseded(environment: Environment, keep: number): number[] {
  const current = currentNumber(environment);
  const numbers = generationNumbers(environment);
  return numbers.slice(0, -Math.max(1, keep)).filter((number) => number !== current);
}

/** What differs between two generations, by path. */
export function compare(
  before: readonly InstallRecord[],
  after: readonly InstallRecord[],
): Pick<InstallResult, "added" | "removed" | "changed"> {
  const earlier = new Map(before.map((record) => [record.path, record]));
  const later = new Map(after.map((record) => [record.path, record]));
  return {
    added: after.filter((record) => !earlier.has(record.path)),
    removed: before.filter((record) => !later.has(record.path)),
    changed: after.flatMap((to) => {
      const from = earlier.get(to.path);
      return from === undefined || sameContent(from, to) ? [] : [{ from, to }];
    }),
  };
}

function sameContent(left: InstallRecord, right: InstallRecord): boolean {
  return (
    left.version === right.version &&
    left.tree === right.tree &&
    left.source.type === right.source.type &&
    left.source.url === right.source.url
  );
}

function planInvalid(item: InstallPackage, problem: string): InstallerError {
  return new InstallerError({
    code: "INSTALL_PLAN_INVALID",
    message: `Cannot install "${item.name}" ${item.version}: ${problem}`,
    hint: "Run lock to write the lock file again",
  });
}

function storeDamaged(item: InstallPackage, tree: Digest, problem: string): InstallerError {
  return new InstallerError({
    code: "STORE_PACKAGE_DAMAGED",
    message: `Cannot install "${item.name}" ${item.version}: in the content store ${problem}`,
    hint: "Run install again: the damaged package is fetched anew",
    tree,
  });
}
