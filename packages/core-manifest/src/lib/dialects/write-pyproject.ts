import type { DependencyKind, ManifestDependency, PackageInfo, PackageManifest } from "../manifest.ts";
import { DEPENDENCY_TABLES } from "./dialect.ts";
import { hostVersionList } from "./host-versions.ts";
import { markerText } from "./marker.ts";
import { OWN_EXTRA } from "./pyproject.ts";
import { InlineTable } from "./toml-text.ts";
import {
  commonTables,
  hostsTable,
  list,
  patchTable,
  requirementIn,
  respell,
  runtimeTexts,
  some,
  sourceKeys,
  splitConditional,
  syntaxOf,
  withoutCondition,
  type PlainTable,
} from "./write-common.ts";

/** A dependency in the words of PEP 508; its source goes into {@link sourceTable}. */
export function pep508(dependency: ManifestDependency, requirement: string | undefined): string {
  const extras = dependency.features.length === 0 ? "" : `[${dependency.features.join(",")}]`;
  const marker = markerOf(dependency);
  const range = requirement === undefined || requirement === "*" ? "" : requirement.replaceAll(", ", ",");
  return `${dependency.name}${extras}${range}${marker === undefined ? "" : ` ; ${marker}`}`;
}

function markerOf({ targets = [], hosts = {} }: ManifestDependency): string | undefined {
  return markerText({ targets, hosts });
}

/** What PEP 508 cannot say of a dependency: its entry in `[tool.revitpy.sources]`, if it needs one. */
export function sourceTable(dependency: ManifestDependency, inExtra: boolean): PlainTable | undefined {
  return some({
    ...sourceKeys(dependency),
    package: dependency.package,
    "default-features": dependency.defaultFeatures ? undefined : false,
    optional: dependency.optional && !inExtra ? true : undefined,
    ...(markerOf(dependency) === undefined
      ? { targets: dependency.targets, hosts: dependency.hosts && inlineHosts(dependency.hosts) }
      : {}),
  });
}

function inlineHosts(hosts: Readonly<Record<string, string>>): InlineTable {
  return new InlineTable(hostsTable(hosts, "pep440") ?? {});
}

/**
 * Conditions that a marker cannot say go into `sources`, which speaks of a package wherever it is listed; where it is listed
 * several times, into tables of their own.
 */
function splitUnmarked(manifest: PackageManifest): ReturnType<typeof splitConditional> {
  const isOnly = (one: ManifestDependency): boolean =>
    manifest.dependencies.every((other) => other === one || other.name !== one.name);
  const isBare = ({ targets = [], hosts = {} }: ManifestDependency): boolean =>
    targets.length === 0 && Object.keys(hosts).length === 0;
  const isPlain = (one: ManifestDependency): boolean => isBare(one) || markerOf(one) !== undefined || isOnly(one);
  const apart = manifest.dependencies.filter((one) => !isPlain(one));
  const { conditional } = splitConditional(apart.map((one) => ({ ...one, condition: one.condition ?? "" })));
  return { plain: manifest.dependencies.filter(isPlain), conditional };
}

function conditionalLists(
  conditional: ReturnType<typeof splitConditional>["conditional"],
  from: PackageManifest,
): PlainTable | undefined {
  return some(
    Object.fromEntries(
      [...conditional].map(([condition, dependencies]) => {
        const lists = Object.entries(DEPENDENCY_TABLES).map(([kind, key]) => {
          const those = dependencies.filter((dependency) => dependency.kind === kind).map(withoutCondition);
          return [key, list(those.map((one) => pep508(one, requirementIn(one, syntaxOf(from), "pep440"))))];
        });
        return [condition, some(Object.fromEntries(lists) as PlainTable)];
      }),
    ),
  );
}

function authorTable(author: string): InlineTable {
  const match = /^(.*?)\s*<([^<>]+)>$/.exec(author);
  return new InlineTable(match === null ? { name: author } : { name: match[1], email: match[2] });
}

function urls(info: PackageInfo): PlainTable | undefined {
  const known = { Homepage: info.homepage, Repository: info.repository, Documentation: info.documentation };
  return some({ ...known, ...(info.extra?.["urls"] as PlainTable | undefined) });
}

function licenseValue(info: PackageInfo): unknown {
  if (info.license !== undefined)
    return info.licenseFile === undefined
      ? info.license
      : new InlineTable({ text: info.license, file: info.licenseFile });
  return info.licenseFile === undefined ? undefined : new InlineTable({ file: info.licenseFile });
}

interface Groups {
  readonly normal: readonly ManifestDependency[];
  /** Feature -> the optional dependencies it switches on. */
  readonly extras: Readonly<Record<string, readonly ManifestDependency[]>>;
  /** Items of features that are no extras. */
  readonly features: Readonly<Record<string, readonly string[]>>;
}

/** Optional dependencies that features name go into those extras, the rest into the plain list. */
function group(manifest: PackageManifest): Groups {
  const normal = manifest.dependencies.filter(({ kind }) => kind === "normal");
  const optionals = new Map(
    normal.filter((dependency) => dependency.optional).map((dependency) => [dependency.name, dependency]),
  );
  const named = new Set<string>();
  const extras: Record<string, ManifestDependency[]> = {};
  const features: Record<string, string[]> = {};
  for (const [feature, items] of Object.entries(manifest.features)) {
    const switched = items.filter((item) => optionals.has(item));
    const others = items.filter((item) => !optionals.has(item));
    for (const item of switched) named.add(item);
    if (switched.length > 0 || others.length === 0) extras[feature] = switched.map((item) => optionals.get(item)!);
    if (others.length > 0) features[feature] = others;
  }
  return { normal: normal.filter(({ name }) => !named.has(name)), extras, features };
}

function projectTable(
  manifest: PackageManifest,
  groups: Groups,
  hosts: Record<string, string>,
): PlainTable | undefined {
  const info = manifest.package;
  if (info === undefined) return undefined;
  const python = hosts["python"] === undefined ? undefined : respell(hosts["python"], "pep440");
  if (python !== undefined) delete hosts["python"];
  const spec = (dependency: ManifestDependency): string =>
    pep508(dependency, requirementIn(dependency, syntaxOf(manifest), "pep440"));
  const { urls: _urls, ...extra } = manifest.dialect === "pyproject.toml" ? { ...info.extra } : ({} as PlainTable);
  return {
    name: info.name,
    version: info.version,
    description: info.description,
    authors: list(info.authors.map(authorTable)),
    license: licenseValue(info),
    readme: info.readme,
    keywords: list(info.keywords),
    "requires-python": python,
    dependencies: list(groups.normal.map(spec)),
    ...extra,
    "optional-dependencies": some(
      Object.fromEntries(Object.entries(groups.extras).map(([feature, items]) => [feature, items.map(spec)])),
    ),
    urls: urls(info),
  };
}

function ownTable(
  manifest: PackageManifest,
  groups: Groups,
  hosts: Record<string, string>,
  target: PlainTable | undefined,
): PlainTable | undefined {
  const info = manifest.package;
  const versions = hosts["revit"] === undefined ? undefined : hostVersionList(hosts["revit"]);
  if (versions !== undefined) delete hosts["revit"];
  const specs = (kind: DependencyKind): readonly string[] | undefined =>
    list(
      manifest.dependencies
        .filter((dependency) => dependency.kind === kind)
        .map((dependency) => pep508(dependency, requirementIn(dependency, syntaxOf(manifest), "pep440"))),
    );
  const inExtras = new Set(Object.values(groups.extras).flat());
  const sources = Object.fromEntries(
    manifest.dependencies.flatMap((dependency) => {
      const table = sourceTable(dependency, inExtras.has(dependency));
      return table === undefined ? [] : [[dependency.name, new InlineTable(table)]];
    }),
  );
  return some({
    supported_revit_versions: versions,
    title: info?.title,
    categories: list(info?.categories ?? []),
    edition: info?.edition,
    include: list(info?.include ?? []),
    exclude: list(info?.exclude ?? []),
    executables: list(info?.executables ?? []),
    publish: info?.publish,
    "self-modifying": info?.selfModifying,
    "exclusive-features": info?.exclusiveFeatures,
    "build-dependencies": specs("build"),
    "peer-dependencies": specs("peer"),
    runtimes: runtimeTexts(manifest),
    sources: some(sources),
    target,
    patch: patchTable(manifest, "pep440", (table) => new InlineTable(table)),
    features: some({ ...groups.features }),
    hosts: hostsTable(hosts, "pep440"),
    ...commonTables(manifest),
    ...(manifest.dialect === "pyproject.toml" ? (manifest.extra[OWN_EXTRA] as PlainTable | undefined) : {}),
  });
}

/** The document of `pyproject.toml`. */
export function pyprojectDocument(whole: PackageManifest): PlainTable {
  const { plain, conditional } = splitUnmarked(whole);
  const manifest = { ...whole, dependencies: plain };
  const hosts = { ...manifest.hosts };
  const groups = group(manifest);
  const project = projectTable(manifest, groups, hosts);
  const {
    [OWN_EXTRA]: _own,
    tool,
    "dependency-groups": others,
    ...extra
  } = manifest.dialect === "pyproject.toml" ? { ...manifest.extra } : ({} as PlainTable);
  const dev = list(
    manifest.dependencies
      .filter(({ kind }) => kind === "dev")
      .map((dependency) => pep508(dependency, requirementIn(dependency, syntaxOf(manifest), "pep440"))),
  );
  return {
    project,
    "dependency-groups": some({ dev, ...(others as PlainTable | undefined) }),
    ...extra,
    tool: some({
      revitpy: ownTable(manifest, groups, hosts, conditionalLists(conditional, whole)),
      ...(tool as PlainTable | undefined),
    }),
  };
}
