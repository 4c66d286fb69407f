// Packs and unpacks one real tree beside `tar -czf`/`tar -xzf` and node-tar, several rounds, and prints medians and ratios.
// Run: node -C @lading/source packages/archive/bench/pack-unpack.ts [DIRECTORY] [ROUNDS]
// node-tar is measured where NODE_TAR names its folder (it is no dependency of this package).
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { collectFiles, importForeignArchive, packDirectory, unpackPackage } from "@lading/archive/node";
import { sampleRecord } from "@lading/archive/testing";

interface NodeTar {
  create(options: { gzip: boolean; portable: boolean; file: string; cwd: string }, files: string[]): Promise<void>;
  extract(options: { file: string; cwd: string }): Promise<void>;
}

const [directory = "node_modules/fast-check", rounds = "5"] = process.argv.slice(2);
const root = resolve(directory);
const folder = mkdtempSync(join(tmpdir(), "lading-bench-"));
const nodeTar =
  process.env["NODE_TAR"] === undefined
    ? undefined
    : ((await import(pathToFileURL(process.env["NODE_TAR"]).href)) as NodeTar);
const times = new Map<string, number[]>();
let round = 0;

async function time(what: string, run: (out: string) => unknown): Promise<void> {
  const out = join(folder, `${what.replaceAll(/\W+/g, "-")}-${round}`);
  const start = performance.now();
  await run(out);
  times.set(what, [...(times.get(what) ?? []), performance.now() - start]);
}

const emptied = (path: string): string => (mkdirSync(path), path);
const record = sampleRecord({ manifestFile: "package.json" });
const files = await collectFiles(root, { manifestFile: "package.json" });
const bytes = files.reduce((sum, file) => sum + file.size, 0);
console.log(
  `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}; ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB, ${rounds} rounds`,
);
try {
  const at = (name: string): string => join(folder, name);
  const list = files.map((file) => file.path);
  for (round = 0; round < Number(rounds); round += 1) {
    await time("pack lading zstd", () =>
      packDirectory({ directory: root, files, record, output: at("z"), codec: "zstd" }),
    );
    await time("pack lading gzip", () =>
      packDirectory({ directory: root, files, record, output: at("g"), codec: "gzip" }),
    );
    await time("pack tar -czf", () =>
      execFileSync("tar", ["--hard-dereference", "-czf", at("t"), "-C", root, ...list]),
    );
    if (nodeTar !== undefined)
      await time("pack node-tar", () => nodeTar.create({ gzip: true, portable: true, file: at("n"), cwd: root }, list));
    await time("unpack lading zstd", (out) => unpackPackage({ source: at("z"), destination: out }));
    await time("unpack lading gzip", (out) => unpackPackage({ source: at("g"), destination: out }));
    await time("unpack foreign tgz", (out) =>
      importForeignArchive({ source: at("t"), destination: out, stripPrefix: false }),
    );
    await time("unpack tar -xzf", (out) => execFileSync("tar", ["-xzf", at("t"), "-C", emptied(out)]));
    if (nodeTar !== undefined)
      await time("unpack node-tar", (out) => nodeTar.extract({ file: at("n"), cwd: emptied(out) }));
  }
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
  for (const [what, values] of times) {
    const base = median(times.get(what.startsWith("unpack") ? "unpack tar -xzf" : "pack tar -czf")!);
    console.log(
      `${what.padEnd(20)} ${median(values).toFixed(1).padStart(8)} ms  ${(median(values) / base).toFixed(2)} x tar`,
    );
  }
  for (const name of ["z", "g", "t"]) console.log(`${name}: ${statSync(at(name)).size} bytes`);
} finally {
  rmSync(folder, { recursive: true });
}
