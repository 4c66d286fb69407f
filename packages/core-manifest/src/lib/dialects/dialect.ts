import type { DialectId } from "../manifest.ts";
import type { RequirementSyntax } from "../requirement.ts";

/** Everything in which the four plain TOML dialects differ from each other, and what all six need. */
export interface DialectTraits {
  readonly id: DialectId;
  readonly format: "toml" | "yaml";
  readonly syntax: RequirementSyntax;
  /** Key of the package's table; another spelling that is read as well. */
  readonly packageKeys: readonly string[];
  /** Keys of `[package]` that state a host's lowest version -> its axis. */
  readonly minimumHostKeys: Readonly<Record<string, string>>;
  /** Top-level tables that belong to other tools, or to the commands that read them, and are kept without a word. */
  readonly foreignTables: readonly string[];
}

const FOREIGN = ["metadata", "tool", "config", "environments", "overrides", "resolver", "testing", "scripts", "native"];

export const DIALECTS: Readonly<Record<DialectId, DialectTraits>> = {
  "lading.toml": {
    id: "lading.toml",
    format: "toml",
    syntax: "caret",
    packageKeys: ["package"],
    minimumHostKeys: { "lading-version": "lading" },
    foreignTables: FOREIGN,
  },
  "vitte.toml": {
    id: "vitte.toml",
    format: "toml",
    syntax: "caret",
    packageKeys: ["package", "project"],
    minimumHostKeys: { "vitte-version": "vitte" },
    foreignTables: [...FOREIGN, "build"],
  },
  "gal.toml": {
    id: "gal.toml",
    format: "toml",
    syntax: "caret",
    packageKeys: ["package"],
    minimumHostKeys: { "gal-version": "gal" },
    foreignTables: [...FOREIGN, "chaos"],
  },
  "revitpy.toml": {
    id: "revitpy.toml",
    format: "toml",
    syntax: "pep440",
    packageKeys: ["package"],
    minimumHostKeys: {},
    foreignTables: FOREIGN,
  },
  "pyproject.toml": {
    id: "pyproject.toml",
    format: "toml",
    syntax: "pep440",
    packageKeys: ["project"],
    minimumHostKeys: {},
    foreignTables: [],
  },
  "pack.yaml": {
    id: "pack.yaml",
    format: "yaml",
    syntax: "exact",
    packageKeys: [],
    minimumHostKeys: {},
    foreignTables: [],
  },
};

/** Tables of dependencies in the TOML dialects, by kind. */
export const DEPENDENCY_TABLES = {
  normal: "dependencies",
  dev: "dev-dependencies",
  build: "build-dependencies",
  peer: "peer-dependencies",
} as const;

/** Keys of `[package]` that a workspace can give to its members. */
export const INHERITABLE: readonly string[] = [
  "version",
  "authors",
  "description",
  "license",
  "license-file",
  "repository",
  "homepage",
  "documentation",
  "readme",
  "keywords",
  "categories",
  "edition",
  "publish",
];

const BY_NAME: ReadonlyMap<string, DialectId> = new Map([
  ...Object.values(DIALECTS).map(({ id }): [string, DialectId] => [id, id]),
  ["pack.yml", "pack.yaml"],
]);

/** The dialect of a file by its name, whatever directory it is in; `undefined` where the name says nothing. */
export function dialectOf(file: string): DialectId | undefined {
  const name = file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1);
  return BY_NAME.get(name);
}
