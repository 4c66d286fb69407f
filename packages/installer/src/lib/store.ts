import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { DecodeBudget, InspectedPackage } from "@lading/archive/node";
import { digestHex, type Digest, type PackageRecord } from "@lading/core-manifest";
import { readEpoch } from "./install-state.ts";
import { InstallerError } from "./installer-error.ts";
import { StoreIndex } from "./store-index.ts";
import type {
  FileProblem,
  GarbageOptions,
  GarbageReport,
  IngestExpectation,
  IngestOptions,
  Store,
  StoredFile,
  StoredPackage,
} from "./store-types.ts";
import { checkFile, checkTree } from "./tree-check.ts";

/** Memory that decoders of packages stored at the same time share. */
const DECODE_BYTES = 64 * 2 ** 20;
const DEFAULT_GRACE_MS = 10 * 60 * 1000;
/** Leftovers of processes that died are swept after this time. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000;

/**
 * Opens the content store in `directory` (`<data>/store/v1`), which is made where it is missing.
 * @throws {InstallerError} `STORE_UNUSABLE`, `STORE_VERSION_UNSUPPORTED`, `STORE_BUSY`
 */
export function openStore(directory: string): Store {
  const root = resolve(directory);
  try {
    mkdirSync(join(root, "trees"), { recursive: true });
    mkdirSync(join(root, "tmp"), { recursive: true });
    return new DirectoryStore(root, new StoreIndex(join(root, "index.sqlite")));
  } catch (error) {
    if (error instanceof InstallerError) throw error;
    throw new InstallerError({
      code: "STORE_UNUSABLE",
      message: `Cannot open the content store "${root}": ${error instanceof Error ? error.message : String(error)}`,
      hint: "Check owner, permissions and free space; deleting the whole store is safe, packages are fetched again",
      cause: error,
    });
  }
}

class DirectoryStore implements Store {
  readonly directory: string;
  readonly #index: StoreIndex;
  readonly #records = new Map<Digest, PackageRecord>();
  #decodeBudget: DecodeBudget | undefined;

  constructor(directory: string, index: StoreIndex) {
    this.directory = directory;
    this.#index = index;
  }

  get epoch(): string {
    return readEpoch(this.directory);
  }

  // Its files are read-only: an edit in a project would otherwise go through a hard link into every other project.
  async ingest(file: string, expect: IngestExpectation, options: IngestOptions = {}): Promise<StoredPackage> {
    const known = this.#known(expect);
    if (known !== undefined) return known;
    const unpacked = join(this.directory, "tmp", randomBytes(9).toString("hex"));
    // Loaded here: the no-op and warm paths never unpack anything.
    const { DecodeBudget, unpackForStore } = await import("@lading/archive/node");
    const { signal } = options;
    this.#decodeBudget ??= new DecodeBudget(DECODE_BYTES);
    try {
      signal?.throwIfAborted();
      const found = await unpackForStore({
        source: file,
        directory: unpacked,
        expect,
        decodeBudget: this.#decodeBudget,
        signal,
      });
      signal?.throwIfAborted();
      // Private while it was written; environments of others may link into it from now on.
      chmodSync(unpacked, 0o755);
      const files = found.files.map((item, index) => ({ ...item, mtimeMs: found.times[index]! }));
      const kept = this.#place(unpacked, found.tree, files);
      const stored = storedPackage(found, kept, options.signers ?? []);
      this.#index.add({ package: stored, files: kept });
      return stored;
    } catch (error) {
      rmSync(unpacked, { recursive: true, force: true });
      throw error;
    }
  }

  has(tree: Digest): boolean {
    return this.#index.get(tree) !== undefined;
  }

  get(tree: Digest): StoredPackage | undefined {
    return this.#index.get(tree);
  }

  byBlob(blob: Digest): StoredPackage | undefined {
    return this.#index.byBlob(blob);
  }

  path(tree: Digest): string {
    return treePath(this.directory, tree);
  }

  files(tree: Digest): readonly StoredFile[] {
    return this.#index.files(tree) ?? absent(tree);
  }

  // Most packages of an installation are asked for theirs by several steps, and a strict reading is not free: it was done
  // before the package was stored, and the digest of its tree, the name under which it is here, covers the record.
  record(tree: Digest): PackageRecord {
    let record = this.#records.get(tree);
    if (record === undefined) this.#records.set(tree, (record = readRecord(this.path(tree), tree)));
    return record;
  }

  list(): readonly StoredPackage[] {
    return this.#index.list();
  }

  size(): { readonly packages: number; readonly bytes: number; readonly files: number } {
    return this.#index.totals();
  }

  touch(trees: readonly Digest[]): void {
    this.#index.touch(trees, Date.now());
  }

  setSigners(tree: Digest, signers: readonly string[]): void {
    this.#index.setSigners(tree, signers);
  }

  verify(tree: Digest, options: { readonly full?: boolean } = {}): Promise<readonly FileProblem[]> {
    return Promise.resolve(checkTree(this.path(tree), this.files(tree), options.full ?? false));
  }

  async missing(
    trees: readonly Digest[],
    options: { readonly verify?: "none" | "quick" | "full" } = {},
  ): Promise<Digest[]> {
    const level = options.verify ?? "quick";
    const unique = [...new Set(trees)];
    const absentTrees = unique.filter((tree) => !this.has(tree));
    const damaged =
      level === "none" ? [] : unique.filter((tree) => this.has(tree) && !this.#sound(tree, level === "full"));
    if (damaged.length > 0) await this.remove(damaged);
    return [...absentTrees, ...damaged];
  }

  retain(directory: string, trees: readonly Digest[]): void {
    this.#index.retain(resolve(directory), [...new Set(trees)].sort());
  }

  async remove(trees: readonly Digest[]): Promise<GarbageReport> {
    const wanted = new Set(trees);
    return this.#sweep("remove packages", (packages) => packages.filter((item) => wanted.has(item.tree)), false);
  }

  async gc(options: GarbageOptions): Promise<GarbageReport> {
    const now = Date.now();
    const select = (packages: StoredPackage[]): StoredPackage[] => {
      const kept = options.includeInUse === true ? new Set<Digest>() : this.#index.retained();
      const grace = now - (options.graceMs ?? DEFAULT_GRACE_MS);
      const free = packages.filter((item) => !kept.has(item.tree) && item.lastUsedAt <= grace);
      return selectGarbage(packages, free, options, now);
    };
    const report = await this.#sweep("collect garbage", select, options.dryRun ?? false);
    if (options.dryRun !== true) this.#sweepLeftovers(now);
    return report;
  }

  close(): void {
    this.#index.close();
  }

  #known(expect: IngestExpectation): StoredPackage | undefined {
    const known = expect.tree === undefined ? undefined : this.#index.get(expect.tree);
    if (known === undefined || (expect.blob !== undefined && known.blob !== expect.blob)) return undefined;
    return existsSync(this.path(known.tree)) ? known : undefined;
  }

  #sound(tree: Digest, full: boolean): boolean {
    const root = this.path(tree);
    const files = this.files(tree);
    return files.every((file) => checkFile(root, file, full) === undefined);
  }

  // Only trees that were verified are ever renamed to here. One that is there already came from another process, or from
  // one that died before it wrote the index; it is used when it is whole, and replaced when a power failure emptied it.
  #place(unpacked: string, tree: Digest, files: readonly StoredFile[]): readonly StoredFile[] {
    const target = this.path(tree);
    for (let attempt = 0; ; attempt++) {
      try {
        renameSync(unpacked, target);
        return files;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? "";
        if (!["ENOENT", "EEXIST", "ENOTEMPTY", "EPERM"].includes(code) || attempt > 4) throw error;
        if (code === "ENOENT") {
          mkdirSync(join(target, ".."), { recursive: true });
          continue;
        }
        const found = withTimesOf(target, files);
        if (checkTree(target, found, true).length === 0) {
          rmSync(unpacked, { recursive: true, force: true });
          return found;
        }
        this.#discard(target);
      }
    }
  }

  async #sweep(
    what: string,
    select: (packages: StoredPackage[]) => StoredPackage[],
    dryRun: boolean,
  ): Promise<GarbageReport> {
    const discarded: string[] = [];
    const report = this.#index.locked(what, () => {
      const packages = this.#index.byAge();
      const removed = select(packages);
      if (!dryRun && removed.length > 0) {
        // First: whoever reads the epoch from now on knows that what it linked may be gone.
        writeFileSync(join(this.directory, "epoch"), `${randomBytes(9).toString("hex")}\n`);
        for (const item of removed) {
          discarded.push(...this.#moveAway(item.tree));
          this.#index.forget(item.tree);
        }
      }
      return reportOf(packages, removed);
    });
    for (const path of discarded) await rm(path, { recursive: true, force: true });
    return report;
  }

  #moveAway(tree: Digest): string[] {
    const from = this.path(tree);
    if (!existsSync(from)) return [];
    const to = join(this.directory, "tmp", `gone-${randomBytes(9).toString("hex")}`);
    renameSync(from, to);
    return [to];
  }

  #discard(path: string): void {
    const to = join(this.directory, "tmp", `gone-${randomBytes(9).toString("hex")}`);
    renameSync(path, to);
    rmSync(to, { recursive: true, force: true });
  }

  #sweepLeftovers(now: number): void {
    const directory = join(this.directory, "tmp");
    for (const name of readdirSync(directory)) {
      const found = lstatSync(join(directory, name), { throwIfNoEntry: false });
      if (found !== undefined && now - found.mtimeMs > LEFTOVER_AGE_MS)
        rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

/** Where the files of a tree are, below a store's directory. */
export function treePath(store: string, tree: Digest): string {
  const hex = digestHex(tree);
  return join(store, "trees", hex.slice(0, 2), hex);
}

function storedPackage(
  { tree, blob, record: { manifest } }: InspectedPackage,
  files: readonly StoredFile[],
  signers: readonly string[],
): StoredPackage {
  const now = Date.now();
  return {
    tree,
    blob,
    name: manifest.name,
    version: manifest.version,
    size: files.reduce((sum, { size }) => sum + size, 0),
    fileCount: files.length,
    storedAt: now,
    lastUsedAt: now,
    signers,
  };
}

function readRecord(directory: string, tree: Digest): PackageRecord {
  const file = join(directory, ".lading", "package.json");
  try {
    return JSON.parse(readFileSync(file, "utf8")) as PackageRecord;
  } catch (error) {
    throw new InstallerError({
      code: "STORE_PACKAGE_DAMAGED",
      message: `Cannot read what the stored package "${tree}" says of itself, "${file}": ${error instanceof Error ? error.message : String(error)}`,
      hint: "Run install again: the damaged package is fetched anew",
      tree,
      cause: error,
    });
  }
}

function absent(tree: Digest): never {
  throw new InstallerError({
    code: "STORE_PACKAGE_MISSING",
    message: `Cannot use the package "${tree}": it is not in the content store`,
    hint: "Run install with network access; it fetches what is missing",
    tree,
  });
}

function withTimesOf(root: string, files: readonly StoredFile[]): StoredFile[] {
  return files.map((file) => {
    const found = lstatSync(`${root}/${file.path}`, { throwIfNoEntry: false });
    return { ...file, mtimeMs: found === undefined ? file.mtimeMs : Math.trunc(found.mtimeMs) };
  });
}

function selectGarbage(
  all: readonly StoredPackage[],
  free: readonly StoredPackage[],
  options: GarbageOptions,
  now: number,
): StoredPackage[] {
  const oldest = options.maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - options.maxAgeMs;
  let bytes = all.reduce((sum, item) => sum + item.size, 0);
  const limit = options.maxBytes ?? Number.POSITIVE_INFINITY;
  const removed: StoredPackage[] = [];
  // Least recently used first, as the index gave them.
  for (const item of free) {
    if (item.lastUsedAt >= oldest && bytes <= limit) continue;
    removed.push(item);
    bytes -= item.size;
  }
  return removed;
}

function reportOf(all: readonly StoredPackage[], removed: readonly StoredPackage[]): GarbageReport {
  const total = all.reduce((sum, item) => sum + item.size, 0);
  const freedBytes = removed.reduce((sum, item) => sum + item.size, 0);
  return { removed, freedBytes, keptBytes: total - freedBytes, keptPackages: all.length - removed.length };
}
