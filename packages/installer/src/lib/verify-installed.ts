import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { treeDigest } from "@lading/archive";
import type { Digest } from "@lading/core-manifest";
import { nothingInstalled, RECORD_DIRECTORY } from "./generation.ts";
import { current } from "./history.ts";
import { VERSIONS_DIRECTORY } from "./install-path.ts";
import type { Environment, Generation, InstalledProblem, InstallRecord, VerifyReport } from "./install-types.ts";
import type { FileProblem, Store } from "./store-types.ts";
import { checkTree, hashFile, listFiles } from "./tree-check.ts";

export interface VerifyInstalledOptions {
  readonly environment: Environment;
  readonly store: Store;
  /** Read every byte; otherwise sizes and modification times are compared. Default: false. */
  readonly full?: boolean | undefined;
}

/**
 * Compares what is installed with what was stored, file by file, naming changed, missing and extra files.
 * @throws {InstallerError} `INSTALL_NO_GENERATION`, `INSTALL_GENERATION_DAMAGED`
 */
export function verifyInstalled(options: VerifyInstalledOptions): Promise<VerifyReport> {
  const generation = current(options.environment);
  if (generation === undefined) return Promise.reject(nothingInstalled(options.environment));
  let files = 0;
  const damaged = generation.packages.flatMap((record): InstalledProblem[] => {
    const found = checkPackage(generation, record, options);
    files += found.files;
    const { name, version, path } = record;
    return found.problems.length === 0 ? [] : [{ package: name, version, path, problems: found.problems }];
  });
  const strangers = findStrangers(generation);
  const ok = damaged.length === 0 && strangers.length === 0;
  return Promise.resolve({
    ok,
    generation: generation.number,
    packages: generation.packages.length,
    files,
    damaged,
    strangers,
  });
}

interface Checked {
  readonly files: number;
  readonly problems: readonly FileProblem[];
}

function checkPackage(generation: Generation, record: InstallRecord, options: VerifyInstalledOptions): Checked {
  const place = join(generation.directory, record.path);
  const found = lstatSync(place, { throwIfNoEntry: false });
  if (found === undefined) return { files: 0, problems: [{ kind: "missing", path: "." }] };
  const isLink = record.tree === undefined || generation.layout === "linked";
  if (isLink !== found.isSymbolicLink()) return { files: 0, problems: [{ kind: "changed", path: "." }] };
  if (record.tree === undefined) return { files: 0, problems: resolves(place) ? [] : [{ kind: "missing", path: "." }] };
  if (isLink && !leadsTo(place, options.store.path(record.tree)))
    return { files: 0, problems: [{ kind: "changed", path: "." }] };
  return checkContent(place, record.tree, generation, options);
}

function checkContent(place: string, tree: Digest, generation: Generation, options: VerifyInstalledOptions): Checked {
  if (!options.store.has(tree)) return checkByDigest(place, tree);
  const files = options.store.files(tree);
  // A copy has its own modification times; only links share those of the store.
  const full = options.full === true || !["hardlink", "symlink"].includes(generation.link);
  return { files: files.length, problems: checkTree(place, files, full) };
}

// Without the store's list of files the tree digest still tells whether anything differs, though not what.
function checkByDigest(place: string, tree: Digest): Checked {
  const paths = listFiles(place);
  const files = paths.map((path) => {
    const found = lstatSync(`${place}/${path}`);
    const sha256 = `sha256:${found.isFile() ? hashFile(`${place}/${path}`, found.size) : "0".repeat(64)}` as Digest;
    return { path, sha256, executable: (found.mode & 0o100) !== 0 };
  });
  return { files: files.length, problems: treeDigest(files) === tree ? [] : [{ kind: "changed", path: "." }] };
}

function resolves(path: string): boolean {
  return realpath(path) !== undefined;
}

function leadsTo(link: string, target: string): boolean {
  const found = realpath(link);
  return found !== undefined && found === realpath(target);
}

function realpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

// Entries of the environment that no record names: a program that looks packages up by name would find them.
function findStrangers(generation: Generation): string[] {
  const known = new Set([RECORD_DIRECTORY, VERSIONS_DIRECTORY]);
  for (const { path } of generation.packages) {
    const parts = path.split("/");
    for (let length = 1; length <= parts.length; length++) known.add(parts.slice(0, length).join("/"));
  }
  const packages = new Set(generation.packages.map((record) => record.path));
  const look = (below: string): string[] =>
    readdirSync(join(generation.directory, below), { withFileTypes: true }).flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (!known.has(path)) return [path];
      return packages.has(path) || path === RECORD_DIRECTORY || !entry.isDirectory() ? [] : look(path);
    });
  return look("").sort();
}
