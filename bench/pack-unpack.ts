import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectFiles, packDirectory, unpackPackage } from "@lading/archive/node";
import type { ArchiveCodec } from "@lading/archive";
import type { PackageRecord } from "@lading/core-manifest";
import { create, extract } from "tar";
import type { InstalledPackage } from "../scripts/demo/closure.ts";
import { copyPackage, demoClosure, folderOf, npmTarball } from "./lib/closure.ts";
import { printCpu, raceCpu, type CpuContender } from "./lib/cpu.ts";
import { median } from "../scripts/bench/measure.ts";
import { versionOf } from "./lib/peers.ts";

const MiB = 2 ** 20;
const RECORD: PackageRecord = {
  format: 1,
  kind: "source",
  target: "any",
  manifestFile: "lading.toml",
  executables: [],
  manifest: { name: "bench-tree", version: "1.0.0" },
};

let count = 0;

/** A tree to pack, and where its archives and unpacked copies go. */
interface Tree {
  readonly title: string;
  readonly directory: string;
  readonly work: string;
  readonly rounds: number;
}

/** Packing and unpacking of many files and of one big file, and the size of real packages, beside tar and node-tar. */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lading-bench-pack-"));
  console.log(`\n${versionOf("tar")}, ${versionOf("gzip")}, node-tar ${nodeTarVersion()}, ${versionOf("zstd")}`);
  try {
    for (const tree of [manyFiles(folder), bigFile(folder)]) {
      const files = await collectFiles(tree.directory, { manifestFile: RECORD.manifestFile, ignore: [] });
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      const title = `${tree.title} (${files.length} files, ${(bytes / 1e6).toFixed(1)} MB)`;
      printCpu(`pack ${title}`, await raceCpu(packers(tree), tree.rounds));
      printSizes(tree);
      printCpu(`unpack ${title}`, await raceCpu(unpackers(tree, await digests(tree)), tree.rounds));
    }
    await packageSizes(folder, "all packages of the demo", demoClosure());
    await packageSizes(folder, "seven packages that ship several builds", sevenPackages());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function nodeTarVersion(): string {
  return versionOf(process.execPath, [
    "-p",
    `require(${JSON.stringify(join(import.meta.dirname, "node_modules/tar/package.json"))}).version`,
  ]);
}

function newTree(folder: string, name: string, title: string, rounds: number): Tree {
  const directory = join(folder, name, "tree");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "lading.toml"), `[package]\nname = "bench-tree"\nversion = "1.0.0"\n`);
  return { title, directory, work: join(folder, name), rounds };
}

function manyFiles(folder: string): Tree {
  const tree = newTree(folder, "many", "many files: real packages", 5);
  for (const one of demoClosure()) copyPackage(one, join(tree.directory, folderOf(one)));
  // Ignore files of the copied packages are files like others here: all contenders pack the same.
  writeFileSync(
    join(tree.directory, "lading.toml"),
    `[package]\nname = "bench-tree"\nversion = "1.0.0"\ninclude = ["**"]\n`,
  );
  return tree;
}

/** The first 64 MiB of the running interpreter: real machine code and data. */
function bigFile(folder: string): Tree {
  const tree = newTree(folder, "big", "big file: 64 MiB of the Node binary", 3);
  const source = openSync(process.execPath, "r");
  const bytes = Buffer.alloc(64 * MiB);
  writeFileSync(join(tree.directory, "program.bin"), bytes.subarray(0, readSync(source, bytes)));
  closeSync(source);
  return tree;
}

function archive(tree: Tree, name: string): string {
  return join(tree.work, `${name}.archive`);
}

async function packOurs(tree: Tree, codec: ArchiveCodec): Promise<Digests> {
  const output = archive(tree, `lading-${codec}`);
  const files = await collectFiles(tree.directory, { manifestFile: RECORD.manifestFile, include: ["**"] });
  return packDirectory({ directory: tree.directory, files, record: RECORD, output, codec });
}

type Digests = Pick<Awaited<ReturnType<typeof packDirectory>>, "blob" | "size" | "tree">;

function packers(tree: Tree): CpuContender[] {
  const cwd = tree.directory;
  return [
    { name: "lading, zstd 9 (default)", run: async () => void (await packOurs(tree, "zstd")) },
    { name: "lading, gzip 6", run: async () => void (await packOurs(tree, "gzip")) },
    { name: "tar -c | gzip -6", shell: `tar -c . | gzip -6 >${archive(tree, "tar-gzip")}`, cwd },
    {
      name: "node-tar, gzip 6",
      run: () => create({ gzip: { level: 6 }, portable: true, file: archive(tree, "node-tar"), cwd }, ["."]),
    },
    {
      name: "tar -c | zstd -9 -T1",
      shell: `tar -c . | zstd -9 -T1 -q -f -o ${archive(tree, "tar-zstd")}`,
      cwd,
    },
  ];
}

function printSizes(tree: Tree): void {
  const size = (name: string): number => statSync(archive(tree, name)).size;
  const names = ["lading-zstd", "lading-gzip", "tar-gzip", "node-tar", "tar-zstd"];
  console.log(`  sizes: ${names.map((name) => `${name} ${(size(name) / 1e6).toFixed(2)} MB`).join(", ")}`);
}

async function digests(tree: Tree): Promise<Record<"zstd" | "gzip", Digests>> {
  return { zstd: await packOurs(tree, "zstd"), gzip: await packOurs(tree, "gzip") };
}

function unpackers(tree: Tree, expect: Record<"zstd" | "gzip", Digests>): CpuContender[] {
  const destination = join(tree.work, "unpacked");
  /** Renamed, not deleted: ext4 is many times slower at making files just after a tree was deleted. */
  const prepare = (): void => {
    if (existsSync(destination)) renameSync(destination, join(tree.work, `unpacked-${count++}`));
  };
  const prepareMade = (): void => {
    prepare();
    mkdirSync(destination);
  };
  const ours = (codec: "zstd" | "gzip") => async (): Promise<void> => {
    const { blob, size, tree: digest } = expect[codec];
    await unpackPackage({
      source: archive(tree, `lading-${codec}`),
      destination,
      expect: { blob, size, tree: digest },
    });
  };
  return [
    { name: "lading, zstd, all digests checked", prepare, run: ours("zstd") },
    { name: "lading, gzip, all digests checked", prepare, run: ours("gzip") },
    {
      name: "tar xzf",
      prepare: prepareMade,
      shell: `tar xzf ${archive(tree, "tar-gzip")} -C ${destination}`,
      cwd: tree.work,
    },
    {
      name: "node-tar",
      prepare: prepareMade,
      run: () => extract({ file: archive(tree, "node-tar"), cwd: destination }),
    },
    {
      name: "tar x, zstd",
      prepare: prepareMade,
      shell: `zstd -dcq ${archive(tree, "tar-zstd")} | tar x -C ${destination}`,
      cwd: tree.work,
    },
  ];
}

/** Of the packages that this repository is built with: those whose several builds and maps repeat each other. */
const SEVEN: readonly string[] = ["typescript", "lru-cache", "rollup", "fast-check", "zod", "@noble/curves", "yaml"];

function sevenPackages(): readonly InstalledPackage[] {
  const store = join(import.meta.dirname, "../node_modules/.pnpm");
  return SEVEN.map((name) => {
    const folders = readdirSync(store).filter((entry) => entry.startsWith(`${name.replace("/", "+")}@`));
    const found = folders
      .map((entry) => join(store, entry, "node_modules", name))
      .map((directory) => ({ name, version: versionIn(directory), directory, bytes: bytesBelow(directory) }))
      .toSorted((left, right) => right.bytes - left.bytes)[0];
    if (found === undefined) throw new Error(`"${name}" is not installed`);
    return found;
  });
}

function versionIn(directory: string): string {
  return (JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string }).version;
}

function bytesBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Every package of a set by itself, as published: zstd 9 and 19 beside what `npm pack` makes. */
async function packageSizes(folder: string, title: string, closure: readonly InstalledPackage[]): Promise<void> {
  const work = join(folder, `sizes-${closure.length}`);
  const ratios: { zstd: number[]; release: number[] } = { zstd: [], release: [] };
  const totals = { tgz: 0, zstd: 0, release: 0 };
  for (const one of closure) {
    const tgz = (await npmTarball(one, work)).length;
    const directory = join(work, folderOf(one), "package");
    const sizeOf = async (release: boolean): Promise<number> => {
      const files = await collectFiles(directory, { manifestFile: "package.json", include: ["**"] });
      const record = { ...RECORD, manifestFile: "package.json" };
      const output = join(work, folderOf(one), "package.lpk");
      return (await packDirectory({ directory, files, record, output, codec: "zstd", release })).size;
    };
    const [zstd, release] = [await sizeOf(false), await sizeOf(true)];
    totals.tgz += tgz;
    totals.zstd += zstd;
    totals.release += release;
    ratios.zstd.push(zstd / tgz);
    ratios.release.push(release / tgz);
  }
  const line = (name: string, bytes: number, values: readonly number[]): string =>
    `  ${name.padEnd(34)}${(bytes / 1e6).toFixed(2).padStart(10)} MB; of the tgz: ${(bytes / totals.tgz).toFixed(3)} in total, ${median(values).toFixed(3)} median, ${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)}`;
  console.log(`\npackage size, ${title} (${closure.length})`);
  console.log(line("lading, zstd 9 (default)", totals.zstd, ratios.zstd));
  console.log(line("lading, zstd 19 (--release)", totals.release, ratios.release));
  console.log(`  ${"npm-style tgz, gzip 9".padEnd(34)}${(totals.tgz / 1e6).toFixed(2).padStart(10)} MB`);
}
