import type { DependencyKind, ManifestDependency, PackageInfo, PackageManifest } from "../manifest.ts";
import {
  commonTables,
  dependencyTable,
  hostsTable,
  list,
  patchTable,
  requirementIn,
  runtimeTexts,
  some,
  syntaxOf,
  type PlainTable,
} from "./write-common.ts";

/** An item of a pack's list of dependencies: text where that says everything. */
export function packDependency(dependency: ManifestDependency, requirement: string | undefined): string | PlainTable {
  const table = dependencyTable(dependency, requirement, "exact");
  const keys = Object.keys(table);
  if (keys.length > 1 || (keys.length === 1 && keys[0] !== "version")) return { ref: dependency.name, ...table };
  if (requirement === undefined || requirement === "*") return dependency.name;
  return /^[<>=~^!]/.test(requirement) ? `${dependency.name}${requirement}` : `${dependency.name}@${requirement}`;
}

function dependencyLists(manifest: PackageManifest): PlainTable {
  const items = (kind: DependencyKind): readonly unknown[] | undefined =>
    list(
      manifest.dependencies
        .filter((dependency) => dependency.kind === kind)
        .map((dependency) => packDependency(dependency, requirementIn(dependency, syntaxOf(manifest), "exact"))),
    );
  return {
    dependencies: items("normal"),
    "dev-dependencies": items("dev"),
    "build-dependencies": items("build"),
    "peer-dependencies": items("peer"),
  };
}

function metaTable(info: PackageInfo, manifest: PackageManifest): PlainTable | undefined {
  const extra = manifest.dialect === "pack.yaml" ? (manifest.extra["meta"] as PlainTable | undefined) : undefined;
  return some({
    category: info.categories.length === 1 ? info.categories[0] : undefined,
    categories: info.categories.length > 1 ? info.categories : undefined,
    keywords: list(info.keywords),
    license: info.license,
    documentation_url: info.documentation,
    repository_url: info.repository,
    homepage_url: info.homepage,
    ...extra,
  });
}

function authorKeys(info: PackageInfo): PlainTable {
  const [first, ...others] = info.authors;
  const match = /^(.+?) <([^<>]+)>$/.exec(first ?? "");
  return { author: match === null ? first : match[1], email: match?.[2], authors: list(others) };
}

/** The document of `pack.yaml`. */
export function packDocument(manifest: PackageManifest): PlainTable {
  const info = manifest.package;
  const { meta: _meta, ...extra } = manifest.dialect === "pack.yaml" ? { ...manifest.extra } : ({} as PlainTable);
  return {
    ref: info?.name,
    label: info?.title,
    description: info?.description,
    version: info?.version,
    ...(info === undefined ? {} : authorKeys(info)),
    "license-file": info?.licenseFile,
    readme: info?.readme,
    edition: info?.edition,
    include: list(info?.include ?? []),
    exclude: list(info?.exclude ?? []),
    executables: list(info?.executables ?? []),
    publish: info?.publish,
    "self-modifying": info?.selfModifying,
    "exclusive-features": info?.exclusiveFeatures,
    meta: info === undefined ? undefined : metaTable(info, manifest),
    runtime_deps: runtimeTexts(manifest),
    ...dependencyLists(manifest),
    patch: patchTable(manifest, "exact", (table) => table),
    hosts: hostsTable(manifest.hosts, "exact"),
    features: some({ ...manifest.features }),
    ...commonTables(manifest),
    ...extra,
  };
}
