import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { builtinProfile } from "@lading/core-manifest";
import { createContext, keygen, migrateNpmPackage, pack, publish } from "@lading/engine";
import { create } from "tar";
import { dependencyClosure, type InstalledPackage } from "../../scripts/demo/closure.ts";
import { cleanEnvironment } from "./peers.ts";
import { publishToVerdaccio } from "./registries.ts";

const root = join(import.meta.dirname, "../..");

/** The real npm packages of the demo, with all that they need. */
export function demoClosure(): readonly InstalledPackage[] {
  return dependencyClosure(join(root, "scripts/demo/node_modules")).packages;
}

/** Copies a package as npm would have unpacked it, without what is installed inside it. */
export function copyPackage(one: InstalledPackage, target: string): void {
  mkdirSync(target, { recursive: true });
  cpSync(one.directory, target, {
    recursive: true,
    dereference: true,
    filter: (file) => file === one.directory || basename(file) !== "node_modules",
  });
}

/** What `npm pack` makes: gzip, the folder `package/` in front. */
export async function npmTarball(one: InstalledPackage, directory: string): Promise<Buffer> {
  const home = join(directory, folderOf(one));
  copyPackage(one, join(home, "package"));
  const file = join(home, "package.tgz");
  await create({ gzip: { level: 9 }, portable: true, file, cwd: home }, ["package"]);
  return readFileSync(file);
}

export function folderOf(one: InstalledPackage): string {
  return `${one.name.replace("/", "+")}@${one.version}`;
}

/** Converts, packs, signs and publishes packages to a registry of ours. */
export async function publishToLading(
  packages: readonly InstalledPackage[],
  registry: { readonly url: string; readonly token: string; readonly directory: string },
): Promise<void> {
  const key = join(registry.directory, "bench.pem");
  const env = cleanEnvironment(registry.directory, { LADING_TOKEN: registry.token });
  const common = { profile: builtinProfile("lading"), env, registry: registry.url };
  const context = createContext({ ...common, cwd: registry.directory });
  await keygen({ output: key }, context);
  for (const one of packages) {
    const output = join(registry.directory, "migrated", folderOf(one));
    mkdirSync(join(registry.directory, "migrated"), { recursive: true });
    await migrateNpmPackage({ directory: one.directory, output });
    const inside = { ...context, cwd: output };
    const [packed] = await pack({}, inside);
    await publish({ file: packed!.path, key, sign: true, wait: false }, inside);
  }
  await context.close();
}

/** Loads Verdaccio with tarballs of the same packages; optional packages that are absent here are absent there too. */
export async function publishClosureToVerdaccio(
  packages: readonly InstalledPackage[],
  registry: { readonly url: string; readonly directory: string },
): Promise<void> {
  const names = new Set(packages.map(({ name }) => name));
  for (const one of packages) {
    const manifest = JSON.parse(readFileSync(join(one.directory, "package.json"), "utf8")) as NpmManifest;
    const published = {
      ...manifest,
      optionalDependencies: onlyOf(names, manifest.optionalDependencies),
      dependencies: manifest.dependencies ?? {},
    };
    await publishToVerdaccio(registry.url, published, await npmTarball(one, join(registry.directory, "tarballs")));
  }
}

interface NpmManifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

function onlyOf(names: ReadonlySet<string>, dependencies: Readonly<Record<string, string>> = {}): object {
  return Object.fromEntries(Object.entries(dependencies).filter(([name]) => names.has(name)));
}
