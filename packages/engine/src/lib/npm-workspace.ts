import path from "node:path";
import { canonicalName, parsePackageName, tryParsePackageName, type ManifestDependency } from "@lading/core-manifest";

/** A package of the workspace that a package.json belongs to, or will belong to. */
export interface WorkspaceMate {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
}

/** A dependency on a mate, and where package.json says it. */
export interface MateDependency {
  /** Key of the finding that an import without knowledge of the workspace makes of it. */
  readonly key: string;
  readonly dependency: ManifestDependency;
}

const TABLES = { dependencies: "normal", devDependencies: "dev", optionalDependencies: "normal" } as const;

/**
 * What a package.json takes from its workspace whatever its version is (`workspace:*`), where the workspace has it: a
 * dependency by path.
 * @param text a package.json that was imported, so that it is an object
 * @param from absolute directory of the manifest that is to name the mates
 */
export function mateDependencies(text: string, from: string, mates: readonly WorkspaceMate[]): MateDependency[] {
  const manifest = JSON.parse(text.replace(/^\uFEFF/, "")) as Record<string, unknown>;
  return Object.entries(TABLES).flatMap(([table, kind]) =>
    Object.entries((manifest[table] ?? {}) as Record<string, unknown>).flatMap(([name, spec]) => {
      const mate = mates.find((one) => one.directory !== from && fold(one.name) === tryFold(name));
      if (mate === undefined || !/^workspace:[*^~]?$/.test(String(spec))) return [];
      const dependency: ManifestDependency = {
        name: mate.name,
        kind,
        source: { type: "path", path: path.relative(from, mate.directory).split(path.sep).join("/") },
        features: [],
        defaultFeatures: true,
        optional: table === "optionalDependencies",
        workspace: false,
      };
      return [{ key: `${table}.${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}`, dependency }];
    }),
  );
}

const fold = (name: string): string => canonicalName(parsePackageName(name));

function tryFold(name: string): string | undefined {
  const parsed = tryParsePackageName(name.replace(/^@/, ""));
  return parsed === undefined ? undefined : canonicalName(parsed);
}
