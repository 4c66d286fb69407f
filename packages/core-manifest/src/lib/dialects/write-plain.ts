import type { DependencyKind, DialectId, ManifestDependency, PackageInfo, PackageManifest } from "../manifest.ts";
import { DEPENDENCY_TABLES, DIALECTS } from "./dialect.ts";
import { InlineTable } from "./toml-text.ts";
import {
  commonTables,
  dependencyTable,
  hostsTable,
  list,
  patchTable,
  requirementIn,
  runtimeTexts,
  some,
  splitConditional,
  syntaxOf,
  withoutCondition,
  type PlainTable,
} from "./write-common.ts";

/** A dependency as the value of its key: a string where that says everything. */
export function dependencyValue(dependency: ManifestDependency, requirement: string | undefined): string | InlineTable {
  const { hosts, ...table } = dependencyTable(dependency, requirement);
  if (hosts !== undefined) return new InlineTable({ ...table, hosts: new InlineTable(hosts as PlainTable) });
  const keys = Object.keys(table);
  return keys.length === 1 && keys[0] === "version" ? (table["version"] as string) : new InlineTable(table);
}

/** Dialects whose unknown keys may stand in each other's files. */
function sharesExtra(left: DialectId, right: DialectId): boolean {
  if (left === right) return true;
  const plain = new Set<DialectId>(["lading.toml", "vitte.toml", "gal.toml"]);
  return plain.has(left) && plain.has(right);
}

/** Hosts that the dialect states inside its package table; taken out of `hosts`. */
function minimumHosts(dialect: DialectId, hosts: Record<string, string>): PlainTable {
  const keys: PlainTable = {};
  for (const [key, axis] of Object.entries(DIALECTS[dialect].minimumHostKeys)) {
    const lowest = /^>=(\d\S*)$/.exec(hosts[axis] ?? "");
    if (lowest === null) continue;
    keys[key] = lowest[1];
    delete hosts[axis];
  }
  return keys;
}

function revitCompatibility(info: PackageInfo, hosts: Record<string, string>): PlainTable | undefined {
  const extra = info.extra?.["revit_compatibility"] as PlainTable | undefined;
  const range = /^>=(\d+)\.0\.0(?: <(\d+)\.0\.0(-0)?)?$/.exec(hosts["revit"] ?? "");
  if (range === null || (range[2] !== undefined && range[3] === undefined)) return extra;
  delete hosts["revit"];
  return {
    min_version: range[1],
    ...(range[2] === undefined ? {} : { max_version: String(Number(range[2]) - 1) }),
    ...extra,
  };
}

function packageTable(
  info: PackageInfo,
  manifest: PackageManifest,
  dialect: DialectId,
  hosts: Record<string, string>,
): PlainTable {
  const single = dialect === "revitpy.toml" && info.authors.length === 1;
  const table: PlainTable = {
    name: info.name,
    version: info.version,
    title: info.title,
    author: single ? info.authors[0] : undefined,
    authors: single ? undefined : list(info.authors),
    description: info.description,
    license: info.license,
    "license-file": info.licenseFile,
    repository: info.repository,
    homepage: info.homepage,
    documentation: info.documentation,
    readme: info.readme,
    keywords: list(info.keywords),
    categories: list(info.categories),
    edition: info.edition,
    include: list(info.include),
    exclude: list(info.exclude),
    executables: list(info.executables),
    publish: info.publish,
    "self-modifying": info.selfModifying,
    "exclusive-features": info.exclusiveFeatures,
    ...minimumHosts(dialect, hosts),
  };
  for (const key of info.inherited ?? []) table[key] = new InlineTable({ workspace: true });
  const extra = sharesExtra(manifest.dialect, dialect) ? { ...info.extra } : {};
  if (dialect === "revitpy.toml") {
    const compatibility = revitCompatibility(info, hosts);
    delete extra["revit_compatibility"];
    return { ...table, ...extra, revit_compatibility: compatibility };
  }
  return { ...table, ...extra };
}

function dependencyTables(manifest: PackageManifest, dialect: DialectId): PlainTable {
  const { plain, conditional } = splitConditional(manifest.dependencies);
  return {
    ...tablesByKind(plain, manifest, dialect),
    target: some(
      Object.fromEntries(
        [...conditional].map(([condition, dependencies]) => [
          condition,
          some(tablesByKind(dependencies.map(withoutCondition), manifest, dialect)),
        ]),
      ),
    ),
  };
}

function tablesByKind(
  dependencies: readonly ManifestDependency[],
  manifest: PackageManifest,
  dialect: DialectId,
): PlainTable {
  const tables: PlainTable = {};
  for (const kind of Object.keys(DEPENDENCY_TABLES) as DependencyKind[]) {
    const those = dependencies.filter((dependency) => dependency.kind === kind);
    tables[DEPENDENCY_TABLES[kind]] = some(dependenciesTable(those, manifest, dialect));
  }
  return tables;
}

function dependenciesTable(
  dependencies: readonly ManifestDependency[],
  manifest: PackageManifest,
  dialect: DialectId,
): PlainTable {
  const to = DIALECTS[dialect].syntax;
  return Object.fromEntries(
    dependencies.map((dependency) => [
      dependency.name,
      dependencyValue(dependency, requirementIn(dependency, syntaxOf(manifest), to)),
    ]),
  );
}

function workspaceTable(manifest: PackageManifest, dialect: DialectId): PlainTable | undefined {
  const { workspace } = manifest;
  if (workspace === undefined) return undefined;
  return {
    members: workspace.members,
    exclude: list(workspace.exclude),
    ...workspace.extra,
    package: some({ ...workspace.package }),
    dependencies: some(dependenciesTable(workspace.dependencies, manifest, dialect)),
  };
}

/** The document of `lading.toml`, `vitte.toml`, `gal.toml` or `revitpy.toml`. */
export function plainTomlDocument(manifest: PackageManifest, dialect: DialectId): PlainTable {
  const hosts = { ...manifest.hosts };
  const info = manifest.package === undefined ? undefined : packageTable(manifest.package, manifest, dialect, hosts);
  return {
    runtimes: runtimeTexts(manifest),
    package: info,
    workspace: workspaceTable(manifest, dialect),
    ...dependencyTables(manifest, dialect),
    patch: patchTable(manifest, DIALECTS[dialect].syntax, (table) => new InlineTable(table)),
    features: some({ ...manifest.features }),
    hosts: hostsTable(hosts, DIALECTS[dialect].syntax),
    ...commonTables(manifest),
    ...(sharesExtra(manifest.dialect, dialect) ? manifest.extra : {}),
  };
}
