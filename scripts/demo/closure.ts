import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** One npm package as it is installed in this repository. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly directory: string;
}

/** The closure of the demo's packages, and what was left out of it. */
export interface Closure {
  /** Dependencies before dependents where there is no cycle. */
  readonly packages: readonly InstalledPackage[];
  /** Optional packages that are not installed on this system, as `dependent -> name`. */
  readonly absentOptional: readonly string[];
}

interface NpmManifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function readNpmManifest(directory: string): NpmManifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as NpmManifest;
}

/** The `node_modules` folder in which an installed package finds its own dependencies. */
function neighbours(directory: string, name: string): string {
  return name.startsWith("@") ? dirname(dirname(directory)) : dirname(directory);
}

function directDependencies(modules: string): string[] {
  return readdirSync(modules)
    .filter((entry) => !entry.startsWith(".") && entry !== "@lading")
    .flatMap((entry) =>
      entry.startsWith("@") ? readdirSync(join(modules, entry)).map((inner) => join(entry, inner)) : [entry],
    )
    .map((entry) => realpathSync(join(modules, entry)));
}

/**
 * Walks the true dependency closure of what is installed in `modules`, through the links that the package manager made.
 * @throws {Error} where a required dependency is missing: the closure would not be the true one.
 */
export function dependencyClosure(modules: string): Closure {
  const done = new Map<string, InstalledPackage>();
  const entered = new Set<string>();
  const absentOptional: string[] = [];

  const visit = (directory: string): void => {
    if (entered.has(directory)) return;
    entered.add(directory);
    const manifest = readNpmManifest(directory);
    const folder = neighbours(directory, manifest.name);
    const optional = new Set(Object.keys(manifest.optionalDependencies ?? {}));
    for (const name of new Set([...Object.keys(manifest.dependencies ?? {}), ...optional])) {
      const path = join(folder, name);
      if (existsSync(path)) visit(realpathSync(path));
      else if (optional.has(name)) absentOptional.push(`${manifest.name} -> ${name}`);
      else throw new Error(`${manifest.name}@${manifest.version} needs "${name}", which is not installed`);
    }
    done.set(directory, { name: manifest.name, version: manifest.version, directory });
  };

  for (const directory of directDependencies(modules)) visit(directory);
  return { packages: [...done.values()], absentOptional };
}
