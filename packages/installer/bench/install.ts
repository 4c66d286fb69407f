// Installs 500 packages of 21 files each, from a store on the same file system, and prints medians beside `cp -al`.
// Run: node -C @lading/source packages/installer/bench/install.ts [packages] [runs]
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packDirectory } from "@lading/archive/node";
import {
  installGeneration,
  installPath,
  openStore,
  projectEnvironment,
  rollback,
  verifyInstalled,
  type InstallPackage,
} from "@lading/installer";
import { checkInstallState, readContent, writeInstallState } from "@lading/installer/state";

const [count = 500, runs = 7] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), "lading-bench-"));
const store = openStore(join(root, "store", "v1"));

async function packAndStore(index: number): Promise<InstallPackage> {
  const name = `package-${index}`;
  const source = join(root, "source", name);
  for (let file = 0; file < 20; file++) {
    const path = join(source, file % 4 === 0 ? "" : `lib/part-${file % 4}`, `file-${file}.js`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `// ${name} ${file}\n${"x".repeat(400 * (file + 1))}\n`);
  }
  const record = {
    format: 1,
    kind: "binary",
    target: "any",
    manifestFile: "file-0.js",
    executables: [],
    manifest: { name, version: "1.0.0" },
  } as const;
  const packed = await packDirectory({
    directory: source,
    output: join(root, "packages", `${name}.lpk`),
    codec: "zstd",
    level: 3,
    record,
  });
  return {
    name,
    version: "1.0.0",
    path: installPath(name),
    source: { type: "registry" },
    tree: packed.tree,
    blob: packed.blob,
    dependencies: {},
    features: [],
    signers: [],
    direct: true,
  };
}

async function time(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function median(label: string, work: () => unknown, before: () => unknown = () => {}): Promise<void> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    await before();
    times.push(await time(work));
  }
  const sorted = times.toSorted((left, right) => left - right);
  console.log(
    `${label.padEnd(44)} ${sorted[Math.floor(runs / 2)]!.toFixed(1).padStart(8)} ms   (${sorted[0]!.toFixed(1)} to ${sorted.at(-1)!.toFixed(1)})`,
  );
}

mkdirSync(join(root, "packages"));
const packages: InstallPackage[] = [];
for (let index = 0; index < count; index++) packages.push(await packAndStore(index));
const ingest = await time(async () => {
  const queue = packages.values();
  const worker = async (): Promise<void> => {
    for (const item of queue)
      await store.ingest(join(root, "packages", `${item.name}.lpk`), { blob: item.blob, tree: item.tree });
  };
  await Promise.all(Array.from({ length: 8 }, worker));
});
const { files, bytes } = store.size();
console.log(
  `${count} packages, ${files} files, ${(bytes / 1e6).toFixed(1)} MB; Node ${process.version}, Linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? "?"}`,
);
console.log(`${"ingest (verify, unpack, index), 8 at a time".padEnd(44)} ${ingest.toFixed(1).padStart(8)} ms`);

let number = 0;
const fresh = (): ReturnType<typeof projectEnvironment> =>
  projectEnvironment(join(root, `project-${++number}`), "lading_packages");
const install = (layout: "copied" | "linked", verify: "none" | "quick" | "full") => () =>
  installGeneration({ environment: fresh(), store, layout, verify, packages });
await median("cp -al of the same files", () =>
  execFileSync("cp", ["-al", join(root, "store", "v1", "trees"), join(root, `copy-${++number}`)]),
);
await median("warm install, hard links, unchecked", install("copied", "none"));
await median("warm install, hard links, sizes and times", install("copied", "quick"));
await median("warm install, hard links, every byte", install("copied", "full"));
await median("linked layout, sizes and times", install("linked", "quick"));
await median("linked layout, unchecked", install("linked", "none"));

const environment = fresh();
for (let generation = 0; generation < 2; generation++)
  await installGeneration({ environment, store, layout: "copied", packages });
let to = 2;
await median("rollback", () => rollback(environment, (to = 3 - to)));
await median("verify installed, sizes and times", () => verifyInstalled({ environment, store }));
await median("verify installed, every byte", () => verifyInstalled({ environment, store, full: true }));

const lock = join(root, "lading.lock");
writeFileSync(lock, "version = 1\n".repeat(10_000));
const inputs = { environment, files: [lock], settings: "copied", store: store.directory };
writeInstallState(inputs, inputs.files.map(readContent));
await new Promise((resolve) => setTimeout(resolve, 100));
await median("no-op check, in process", () => checkInstallState(inputs));
const state = fileURLToPath(new URL("../src/state.ts", import.meta.url));
const script = `const { checkInstallState } = await import(${JSON.stringify(state)}); if (!checkInstallState(${JSON.stringify(inputs)}).fresh) process.exit(1);`;
await median("empty Node process", () => execFileSync(process.execPath, ["-e", ""]));
await median("no-op check, as a process (from sources)", () =>
  execFileSync(process.execPath, ["--input-type=module", "-e", script]),
);

store.close();
// Renamed first and deleted last: deleting between runs would slow the next one.
renameSync(root, `${root}.done`);
rmSync(`${root}.done`, { recursive: true, force: true });
