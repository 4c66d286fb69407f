import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ArchiveCodec } from "@lading/archive";
import { collectFiles, packDirectory, unpackPackage } from "@lading/archive/node";
import type { PackageRecord } from "@lading/core-manifest";
import { race, type Figure } from "./measure.ts";
import { dependencyClosure } from "../demo/closure.ts";

const root = join(import.meta.dirname, "../..");
const CODECS: readonly ArchiveCodec[] = ["zstd", "lz4", "gzip", "none"];
const ROUNDS = 5;
const RECORD: PackageRecord = {
  format: 1,
  kind: "source",
  target: "any",
  manifestFile: "lading.toml",
  executables: [],
  manifest: { name: "bench-tree", version: "1.0.0" },
};

/** Ratio and speed of every codec that packages may have, at its default level, on the files of real packages. */
export async function run({ quick }: { readonly quick: boolean }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lading-bench-codecs-"));
  try {
    const directory = realFiles(join(folder, "tree"), quick);
    const files = await collectFiles(directory, { manifestFile: RECORD.manifestFile, include: ["**"] });
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    console.log(`\ncodecs, ${files.length} files of real packages, ${(bytes / 1e6).toFixed(1)} MB, digests included`);
    const sizes = new Map<ArchiveCodec, number>();
    const packers = CODECS.map((codec) => ({
      name: codec,
      run: async () => {
        const output = join(folder, `${codec}.lpk`);
        sizes.set(codec, (await packDirectory({ directory, files, record: RECORD, output, codec })).size);
      },
    }));
    let count = 0;
    const unpackers = CODECS.map((codec) => ({
      name: codec,
      run: async () => {
        count += 1;
        await unpackPackage({ source: join(folder, `${codec}.lpk`), destination: join(folder, `unpacked-${count}`) });
      },
    }));
    const rounds = quick ? 1 : ROUNDS;
    print(bytes, sizes, await race(packers, rounds), await race(unpackers, rounds));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Copies of installed packages: programs, types, maps and texts as they are published. */
function realFiles(directory: string, quick: boolean): string {
  const { packages } = dependencyClosure(join(root, "scripts/demo/node_modules"));
  mkdirSync(directory);
  writeFileSync(join(directory, "lading.toml"), `[package]\nname = "bench-tree"\nversion = "1.0.0"\n`);
  for (const one of quick ? packages.slice(0, 10) : packages) {
    cpSync(one.directory, join(directory, `${one.name.replace("/", "+")}@${one.version}`), {
      recursive: true,
      dereference: true,
      filter: (file) => file === one.directory || basename(file) !== "node_modules",
    });
  }
  return directory;
}

function print(
  bytes: number,
  sizes: ReadonlyMap<ArchiveCodec, number>,
  packed: readonly Figure[],
  unpacked: readonly Figure[],
): void {
  const speed = ({ median }: Figure): string => (bytes / 1000 / median).toFixed(1).padStart(8);
  console.log(`  ${"codec".padEnd(8)}${"ratio".padStart(8)}${"pack MB/s".padStart(12)}${"unpack MB/s".padStart(14)}`);
  for (const [at, codec] of CODECS.entries()) {
    const ratio = (bytes / sizes.get(codec)!).toFixed(2).padStart(8);
    console.log(`  ${codec.padEnd(8)}${ratio}    ${speed(packed[at]!)}      ${speed(unpacked[at]!)}`);
  }
}
