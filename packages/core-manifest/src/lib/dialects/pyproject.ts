import type {
  DependencyKind,
  DependencySource,
  ManifestDependency,
  PackageInfo,
  PackageManifest,
} from "../manifest.ts";
import {
  both as bothConditions,
  conditionKey,
  isProblem,
  type Condition,
  type ConditionResult,
} from "./condition-algebra.ts";
import { conditionOf, reportTwins } from "./dependencies.ts";
import { DEPENDENCY_TABLES } from "./dialect.ts";
import { hostRequirement, hosts as hostsTable, minimumVersion, supportedVersions } from "./hosts.ts";
import {
  emptyRecord,
  emptyTable,
  joinKey,
  plainValue,
  type LocatedNode,
  type LocatedTable,
  type Span,
} from "./located.ts";
import { parsePep508, type Pep508 } from "./pep508.ts";
import { parseMarker } from "./marker.ts";
import { SECTIONS, conditionalTables, optional } from "./plain-toml.ts";
import {
  asTable,
  flag,
  innerPath,
  kept,
  listOf,
  nonEmptyText,
  readFields,
  shown,
  text,
  url,
  wrongType,
  type KeySpecs,
  type Reading,
  type ValueReader,
} from "./reading.ts";
import { canonicalName, tryParsePackageName } from "../name.ts";
import { PACKAGE_TEXTS, license } from "./tables.ts";
import {
  checkFeatureName,
  checkName,
  checkRequirement,
  directoryPath,
  gitRef,
  gitUrl,
  isGitRef,
  isGitUrl,
  packageName,
  registryName,
  targetName,
  version,
} from "./values.ts";

// -- [project] ---------------------------------------------------------------------------------------

const pythonName: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  // PEP 503: names are equal whatever their case.
  return value !== undefined && checkName(reading, node, key, value.toLowerCase()) ? value.toLowerCase() : undefined;
};

const person: ValueReader<string> = (reading, node, key) => {
  if (node.kind === "string") return nonEmptyText(reading, node, key);
  const table = asTable(reading, node, key, 'a table such as { name = "...", email = "..." }');
  if (table === undefined) return undefined;
  const { values } = readFields(reading, table, key, { name: nonEmptyText, email: nonEmptyText }, "error");
  if (values.name === undefined) return values.email;
  return values.email === undefined ? values.name : `${values.name} <${values.email}>`;
};

interface LicenseValue {
  readonly license?: string;
  readonly licenseFile?: string;
}

const projectLicense: ValueReader<LicenseValue> = (reading, node, key) => {
  if (node.kind === "string") return optional("license", license(reading, node, key));
  const table = asTable(reading, node, key, "an SPDX expression or a table with file or text");
  if (table === undefined) return undefined;
  const { values } = readFields(reading, table, key, { text: license, file: innerPath }, "error");
  return { ...optional("license", values.text), ...optional("licenseFile", values.file) };
};

const projectReadme: ValueReader<string> = (reading, node, key) => {
  if (node.kind === "string") return innerPath(reading, node, key);
  const table = asTable(reading, node, key, "a path or a table with file");
  return table === undefined
    ? undefined
    : readFields(reading, table, key, { file: innerPath, text: kept, "content-type": kept }, "error").values.file;
};

const requiresPython: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  return value === undefined ? undefined : checkRequirement(reading, node, key, value, "pep440")?.canonical;
};

const PROJECT = {
  name: pythonName,
  version,
  description: text,
  authors: listOf(person),
  license: projectLicense,
  readme: projectReadme,
  keywords: listOf(nonEmptyText),
  "requires-python": requiresPython,
  dependencies: kept,
  "optional-dependencies": kept,
  urls: kept,
  "license-files": kept,
  maintainers: kept,
  classifiers: kept,
  scripts: kept,
  "gui-scripts": kept,
  "entry-points": kept,
  dynamic: kept,
} as const;

const URL_KEYS: Readonly<Record<string, "homepage" | "documentation" | "repository">> = {
  homepage: "homepage",
  documentation: "documentation",
  docs: "documentation",
  repository: "repository",
  source: "repository",
  sourcecode: "repository",
  github: "repository",
};

/** Well-known labels of `[project.urls]` (PEP 753: case, blanks and punctuation do not count); the rest is kept. */
function readUrls(
  reading: Reading,
  node: LocatedNode | undefined,
  extra: Record<string, unknown>,
): Pick<PackageInfo, "homepage" | "documentation" | "repository"> {
  const known: { homepage?: string; documentation?: string; repository?: string } = {};
  delete extra["urls"];
  const table = node === undefined ? undefined : asTable(reading, node, "project.urls");
  const rest = emptyRecord<unknown>();
  for (const { key, node: value } of table?.entries.values() ?? []) {
    const target = URL_KEYS[key.toLowerCase().replaceAll(/[\s_.-]/g, "")];
    const link = url(reading, value, joinKey("project.urls", key));
    if (target !== undefined && link !== undefined && known[target] === undefined) known[target] = link;
    else rest[key] = plainValue(value);
  }
  if (Object.keys(rest).length > 0) extra["urls"] = rest;
  return known;
}

// -- [tool.revitpy] ----------------------------------------------------------------------------------

const SOURCE = {
  path: directoryPath,
  git: gitUrl,
  tag: gitRef,
  branch: gitRef,
  rev: gitRef,
  registry: registryName,
  package: packageName,
  "default-features": flag,
  targets: listOf(targetName),
  hosts: hostsTable,
  optional: flag,
} as const;

interface SourceOverride {
  readonly source?: DependencySource;
  readonly rest: Partial<Pick<ManifestDependency, "package" | "defaultFeatures" | "optional">>;
  readonly condition: Condition;
  readonly place: Span;
  used: boolean;
}

/** `[tool.revitpy.sources]`: what PEP 508 has no words for, by package name. */
function readSources(reading: Reading, node: LocatedNode | undefined, key: string): Map<string, SourceOverride> {
  const sources = new Map<string, SourceOverride>();
  const table = node === undefined ? undefined : asTable(reading, node, key);
  for (const entry of table?.entries.values() ?? []) {
    const path = joinKey(key, entry.key);
    const inner = asTable(reading, entry.node, path);
    if (inner === undefined) continue;
    const { values } = readFields(reading, inner, path, SOURCE, "error");
    checkSource(reading, entry.keySpan, path, values);
    sources.set(entry.key.toLowerCase(), { ...overrideOf(values), place: entry.keySpan, used: false });
  }
  return sources;
}

type SourceFields = {
  path?: string;
  git?: string;
  tag?: string;
  branch?: string;
  rev?: string;
  registry?: string;
  package?: string;
  "default-features"?: boolean;
  targets?: string[];
  hosts?: Record<string, string>;
  optional?: boolean;
};

function checkSource(reading: Reading, place: Span, key: string, values: SourceFields): void {
  const places = [values.path, values.git, values.registry].filter((value) => value !== undefined).length;
  const references = [values.tag, values.branch, values.rev].filter((value) => value !== undefined).length;
  if (places > 1)
    reading.report(place, {
      code: "MANIFEST_KEY_CONFLICT",
      key,
      problem: '"path", "git" and "registry" exclude each other',
    });
  if (references > 1)
    reading.report(place, {
      code: "MANIFEST_KEY_CONFLICT",
      key,
      problem: '"tag", "branch" and "rev" exclude each other',
    });
  if (references > 0 && values.git === undefined)
    reading.report(place, {
      code: "MANIFEST_KEY_CONFLICT",
      key,
      problem: '"tag", "branch" and "rev" have a meaning with "git" only',
    });
}

function overrideOf(values: SourceFields): Pick<SourceOverride, "source" | "rest" | "condition"> {
  const rest = {
    ...optional("package", values.package),
    ...optional("defaultFeatures", values["default-features"]),
    ...optional("optional", values.optional),
  };
  const condition = { targets: values.targets ?? [], hosts: values.hosts ?? {} };
  const source = sourceOf(values);
  return source === undefined ? { rest, condition } : { source, rest, condition };
}

function sourceOf(values: SourceFields): DependencySource | undefined {
  if (values.path !== undefined) return { type: "path", path: values.path };
  if (values.git !== undefined) {
    const reference = {
      ...optional("tag", values.tag),
      ...optional("branch", values.branch),
      ...optional("rev", values.rev),
    };
    return { type: "git", url: values.git, ...reference };
  }
  return values.registry === undefined ? undefined : { type: "registry", registry: values.registry };
}

const OWN = {
  ...SECTIONS,
  supported_revit_versions: supportedVersions,
  categories: listOf(nonEmptyText),
  edition: nonEmptyText,
  title: text,
  include: PACKAGE_TEXTS.include,
  exclude: PACKAGE_TEXTS.exclude,
  executables: PACKAGE_TEXTS.executables,
  publish: PACKAGE_TEXTS.publish,
  "self-modifying": flag,
  "revitpy-version": minimumVersion,
  revit: hostRequirement,
  entry_points: kept,
  dependencies: kept,
  "build-dependencies": kept,
  "peer-dependencies": kept,
  sources: kept,
  target: kept,
  environments: kept,
  overrides: kept,
  resolver: kept,
  "exclusive-features": PACKAGE_TEXTS["exclusive-features"],
  metadata: kept,
} as const;

// -- dependencies ------------------------------------------------------------------------------------

interface Collecting {
  readonly reading: Reading;
  readonly sources: Map<string, SourceOverride>;
  readonly dependencies: ManifestDependency[];
  readonly features: Record<string, readonly string[]>;
  /** Canonical name of the package itself. */
  readonly own: string | undefined;
  /** The condition that the lists being read stand under. */
  under?: { readonly condition: Condition; readonly text: string } | undefined;
}

function reportLoss(reading: Reading, place: Span, key: string, problem: string, found: string): void {
  reading.report(place, { code: "MANIFEST_DIALECT_LOSS", key, problem, found: shown(found) });
}

/** `git+https://host/repo@ref` and `file:` URLs of PEP 508; others have no counterpart. */
function urlSource(reading: Reading, place: Span, key: string, link: string): DependencySource | undefined {
  const git = /^git\+((?:https?|ssh|file):\/\/[^#]+?)(?:@([^/@#]+))?(?:#.*)?$/.exec(link);
  if (git !== null && isGitUrl(git[1]!) && (git[2] === undefined || isGitRef(git[2]))) {
    return { type: "git", url: git[1]!, ...optional("rev", git[2]) };
  }
  const file = /^file:(?:\/\/(?:localhost)?(?=\/))?([^#]+)/.exec(link);
  if (file !== null) return { type: "path", path: decodeURI(file[1]!) };
  reading.report(place, {
    code: "MANIFEST_URL_INVALID",
    key,
    problem: "it is not a Git repository or a directory",
    found: shown(link),
    allowed: '"git+https://..." or "file:..."',
  });
  return undefined;
}

function specifierDependency(
  collecting: Collecting,
  node: LocatedNode,
  key: string,
  kind: DependencyKind,
  isOptional: boolean,
): ManifestDependency | undefined {
  const { reading } = collecting;
  const value = nonEmptyText(reading, node, key);
  const parsed = value === undefined ? undefined : parsePep508(value);
  if (parsed === undefined) return undefined;
  if ("problem" in parsed) {
    reading.report(node, {
      code: "MANIFEST_REQUIREMENT_INVALID",
      key,
      problem: parsed.problem,
      found: shown(value),
      allowed: 'a PEP 508 dependency such as "name[extra]>=1.0"',
    });
    return undefined;
  }
  if (!checkName(reading, node, key, parsed.name)) return undefined;
  return assemble(collecting, node, key, parsed, { kind, optional: isOptional });
}

function assemble(
  collecting: Collecting,
  node: LocatedNode,
  key: string,
  parsed: Pep508,
  flags: { kind: DependencyKind; optional: boolean },
): ManifestDependency | undefined {
  const { reading } = collecting;
  const read = parsed.specifiers === undefined ? undefined : checkRequirement(reading, node, key, parsed.specifiers);
  if (parsed.specifiers !== undefined && read === undefined) return undefined;
  const override = collecting.sources.get(parsed.name);
  if (override !== undefined) override.used = true;
  const linked = parsed.url === undefined ? undefined : urlSource(reading, node, key, parsed.url);
  if (parsed.url !== undefined && linked === undefined) return undefined;
  const source = override?.source ?? linked ?? { type: "registry" as const };
  // PEP 508: no specifier is any version; a path or repository needs none.
  const bare = read === undefined && source.type === "registry" ? { requirement: "*", canonicalRequirement: "*" } : {};
  return {
    name: parsed.name,
    kind: flags.kind,
    ...bare,
    ...(read === undefined ? {} : { requirement: read.text, canonicalRequirement: read.canonical }),
    source,
    features: parsed.extras,
    defaultFeatures: true,
    optional: flags.optional,
    workspace: false,
    ...override?.rest,
    ...conditionsOf(collecting, node, key, parsed.marker, override),
    location: reading.locate(node),
  };
}

/** The marker of a dependency, what `sources` says of it, and the table that it stands in, together. */
function conditionsOf(
  { reading, under }: Collecting,
  node: LocatedNode,
  key: string,
  marker: string | undefined,
  override: SourceOverride | undefined,
): Pick<ManifestDependency, "targets" | "hosts" | "condition"> {
  const given = [under?.condition, override?.condition].filter((one) => one !== undefined);
  const marked = marker === undefined ? undefined : parseMarker(marker);
  if (marked !== undefined && isProblem(marked)) {
    const problem = `the marker is not evaluated (${marked.problem}), the dependency is taken everywhere`;
    reportLoss(reading, node, key, problem, marker!);
  } else if (marked !== undefined) given.push(marked);
  let joined: ConditionResult = { targets: [], hosts: {} };
  for (const one of given) if (!isProblem(joined)) joined = bothConditions(joined, one);
  const named = under === undefined ? {} : { condition: under.text };
  if (!isProblem(joined)) return { ...conditionOf(joined), ...named };
  reading.report(node, { code: "MANIFEST_KEY_CONFLICT", key, problem: `it can never count: ${joined.problem}` });
  return named;
}

function readList(collecting: Collecting, node: LocatedNode | undefined, key: string, kind: DependencyKind): void {
  if (node === undefined) return;
  if (node.kind !== "array") {
    wrongType(collecting.reading, node, key, "a list of PEP 508 dependencies");
    return;
  }
  const names: { name: string; place: Span; dependency: ManifestDependency }[] = [];
  for (const [index, item] of node.items.entries()) {
    // PEP 735 lets a group include another one by a table.
    if (item.kind === "table" && kind === "dev") {
      reportLoss(collecting.reading, item, joinKey(key, index), "included groups are not followed", "include-group");
      continue;
    }
    const dependency = specifierDependency(collecting, item, joinKey(key, index), kind, false);
    if (dependency === undefined) continue;
    names.push({ name: dependency.name, place: item, dependency });
    collecting.dependencies.push(dependency);
  }
  reportTwins(collecting.reading, key, names);
}

/** Extras: each is a feature that switches on its optional dependencies. */
function readExtras(collecting: Collecting, node: LocatedNode | undefined, key: string): void {
  const { reading } = collecting;
  const table = node === undefined ? undefined : asTable(reading, node, key);
  for (const entry of table?.entries.values() ?? []) {
    const path = joinKey(key, entry.key);
    if (!checkFeatureName(reading, entry.keySpan, path, entry.key)) continue;
    if (entry.node.kind !== "array") {
      wrongType(reading, entry.node, path, "a list of PEP 508 dependencies");
      continue;
    }
    const names = entry.node.items.flatMap((item, index) => extraItem(collecting, item, joinKey(path, index)));
    const earlier = Object.hasOwn(collecting.features, entry.key) ? collecting.features[entry.key]! : [];
    collecting.features[entry.key] = [...new Set([...earlier, ...names])];
  }
}

/** What an item of an extra switches on: an optional dependency, or by `own-name[a,b]` other extras of this package. */
function extraItem(collecting: Collecting, node: LocatedNode, key: string): readonly string[] {
  const dependency = specifierDependency(collecting, node, key, "normal", true);
  if (dependency === undefined) return [];
  if (isItself(collecting, dependency)) return ownExtras(collecting, node, key, dependency);
  const switched = optionalDependency(collecting, node, key, dependency);
  return switched === undefined ? [] : [switched];
}

function isItself({ own }: Collecting, { name, requirement, source, features }: ManifestDependency): boolean {
  if (source.type !== "registry" || requirement !== "*" || features.length === 0) return false;
  return own !== undefined && canonicalOf(name) === own;
}

function ownExtras(
  { reading }: Collecting,
  node: LocatedNode,
  key: string,
  { features, targets, hosts }: ManifestDependency,
): readonly string[] {
  if (targets !== undefined || hosts !== undefined) {
    const problem = "an extra cannot name extras of its own package under a condition; they are taken everywhere";
    reportLoss(reading, node, key, problem, features.join(","));
  }
  return features;
}

function optionalDependency(
  collecting: Collecting,
  node: LocatedNode,
  key: string,
  dependency: ManifestDependency,
): string | undefined {
  const index = collecting.dependencies.findIndex(
    (one) => one.name === dependency.name && one.kind === "normal" && conditionKey(one) === conditionKey(dependency),
  );
  const present = collecting.dependencies[index];
  if (present === undefined) {
    collecting.dependencies.push(dependency);
    return dependency.name;
  }
  if (present.canonicalRequirement !== dependency.canonicalRequirement) {
    collecting.dependencies[index] = both(collecting.reading, node, key, present, dependency);
  }
  return present.optional ? dependency.name : undefined;
}

/** One package has one requirement: of two, both have to hold, which is said. */
function both(
  reading: Reading,
  node: LocatedNode,
  key: string,
  left: ManifestDependency,
  right: ManifestDependency,
): ManifestDependency {
  const parts = [left.requirement, right.requirement].filter((part) => part !== undefined && part !== "*");
  const joined = parts.length === 0 ? undefined : checkRequirement(reading, node, key, parts.join(","));
  reportLoss(
    reading,
    node,
    key,
    `"${left.name}" has a requirement elsewhere as well; both are applied everywhere`,
    right.requirement ?? "",
  );
  return joined === undefined ? left : { ...left, requirement: joined.text, canonicalRequirement: joined.canonical };
}

function child(table: LocatedTable | undefined, key: string): LocatedNode | undefined {
  return table?.entries.get(key)?.node;
}

function tableAt(node: LocatedNode | undefined): LocatedTable | undefined {
  return node?.kind === "table" ? node : undefined;
}

// -- the whole ---------------------------------------------------------------------------------------

/** Where RevitPy's own table is: `[tool.revitpy]`, or `[revitpy]` as its documents also write. */
export function revitpyPath(hasTool: boolean, hasBare: boolean): readonly string[] {
  return hasTool || !hasBare ? ["tool", "revitpy"] : ["revitpy"];
}

function ownTable(reading: Reading, root: LocatedTable): { table: LocatedTable; path: readonly string[] } {
  const tool = tableAt(child(tableAt(child(root, "tool")), "revitpy"));
  const bareEntry = root.entries.get("revitpy");
  const bare = tableAt(bareEntry?.node);
  if (tool !== undefined && bareEntry !== undefined) {
    reading.report(bareEntry.keySpan, {
      code: "MANIFEST_KEY_CONFLICT",
      key: "revitpy",
      problem: '"tool.revitpy" and "revitpy" are one table',
    });
  }
  return {
    table: tool ?? bare ?? emptyTable({ start: 0, end: 0 }),
    path: revitpyPath(tool !== undefined, bare !== undefined),
  };
}

function readProject(
  reading: Reading,
  root: LocatedTable,
): {
  values: Partial<{ [K in keyof typeof PROJECT]: unknown }>;
  extra: Record<string, unknown>;
  table: LocatedTable | undefined;
} {
  const node = child(root, "project");
  const table = node === undefined ? undefined : asTable(reading, node, "project");
  if (table === undefined) {
    if (node === undefined)
      reading.report(root, {
        code: "MANIFEST_KEY_MISSING",
        key: "project",
        problem: "there is no such table",
        hint: "Add [project] with name and version",
      });
    return { values: {}, extra: emptyRecord(), table };
  }
  const { values, extra } = readFields(reading, table, "project", PROJECT, "error-if-close");
  for (const needed of ["name", "version"]) {
    if (table.entries.has(needed)) continue;
    const dynamic = plainValue(child(table, "dynamic") ?? emptyTable(table));
    const computed = Array.isArray(dynamic) && dynamic.includes(needed);
    reading.report(table, {
      code: "MANIFEST_KEY_MISSING",
      key: `project.${needed}`,
      problem: computed ? "it is dynamic, and a package needs it written down" : "it is not there",
    });
  }
  delete extra["dependencies"];
  delete extra["optional-dependencies"];
  return { values, extra, table };
}

type OwnValues = { [K in keyof typeof OWN]?: (typeof OWN)[K] extends ValueReader<infer T> ? T : unknown };

function packageInfo(
  project: Record<string, unknown>,
  own: OwnValues,
  urls: ReturnType<typeof readUrls>,
  extra: Record<string, unknown>,
): PackageInfo | undefined {
  if (project["name"] === undefined || project["version"] === undefined) return undefined;
  const licensed = (project["license"] ?? {}) as LicenseValue;
  return {
    name: project["name"] as string,
    version: project["version"] as string,
    ...optional("title", own.title),
    authors: (project["authors"] as string[] | undefined) ?? [],
    ...optional("description", project["description"] as string | undefined),
    ...licensed,
    ...urls,
    ...optional("readme", project["readme"] as string | undefined),
    keywords: (project["keywords"] as string[] | undefined) ?? [],
    categories: own.categories ?? [],
    ...optional("edition", own.edition),
    include: own.include ?? [],
    exclude: own.exclude ?? [],
    executables: own.executables ?? [],
    ...optional("publish", own.publish),
    ...optional("selfModifying", own["self-modifying"]),
    ...optional("exclusiveFeatures", own["exclusive-features"]),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

const CONDITIONAL_LISTS: KeySpecs = Object.fromEntries(Object.values(DEPENDENCY_TABLES).map((key) => [key, kept]));

function readAllDependencies(
  collecting: Collecting,
  root: LocatedTable,
  project: LocatedTable | undefined,
  own: LocatedTable,
  ownKey: string,
): void {
  readList(collecting, child(project, "dependencies"), "project.dependencies", "normal");
  readExtras(collecting, child(project, "optional-dependencies"), "project.optional-dependencies");
  readExtras(collecting, child(tableAt(child(own, "dependencies")), "optional"), `${ownKey}.dependencies.optional`);
  const groups = tableAt(child(root, "dependency-groups"));
  readList(collecting, child(groups, "dev"), "dependency-groups.dev", "dev");
  readList(collecting, child(own, "build-dependencies"), `${ownKey}.build-dependencies`, "build");
  readList(collecting, child(own, "peer-dependencies"), `${ownKey}.peer-dependencies`, "peer");
  const targets = child(own, "target");
  for (const { under, key, table } of targets === undefined
    ? []
    : conditionalTables(collecting.reading, targets, `${ownKey}.target`)) {
    readFields(collecting.reading, table, key, CONDITIONAL_LISTS, "error");
    collecting.under = under;
    for (const [kind, name] of Object.entries(DEPENDENCY_TABLES))
      readList(collecting, child(table, name), joinKey(key, name), kind as DependencyKind);
  }
  collecting.under = undefined;
  for (const [name, source] of collecting.sources) {
    if (source.used) continue;
    const known = [...new Set(collecting.dependencies.map((dependency) => dependency.name))];
    collecting.reading.report(source.place, {
      code: "MANIFEST_REFERENCE_UNKNOWN",
      key: joinKey(`${ownKey}.sources`, name),
      problem: "no dependency has this name",
      found: shown(name),
      hint: `Known: ${known.slice(0, 12).join(", ")}`,
    });
  }
}

function hostsOf(project: Record<string, unknown>, own: OwnValues): Record<string, string> {
  const hosts = emptyRecord<string>();
  if (project["requires-python"] !== undefined) hosts["python"] = project["requires-python"] as string;
  if (own.supported_revit_versions !== undefined) hosts["revit"] = own.supported_revit_versions;
  if (own.revit !== undefined) hosts["revit"] = own.revit;
  if (own["revitpy-version"] !== undefined) hosts["revitpy"] = own["revitpy-version"];
  return Object.assign(hosts, own.hosts);
}

function canonicalOf(name: unknown): string | undefined {
  const parsed = typeof name === "string" ? tryParsePackageName(name) : undefined;
  return parsed === undefined ? undefined : canonicalName(parsed);
}

const OWN_LISTS = ["build-dependencies", "peer-dependencies", "sources", "target"];

function rootExtra(root: LocatedTable): Record<string, unknown> {
  const extra = emptyRecord<unknown>();
  for (const { key, node } of root.entries.values()) {
    if (key === "project" || key === "revitpy") continue;
    const value = plainValue(node);
    if (key === "tool") delete (value as Record<string, unknown>)["revitpy"];
    if (key === "dependency-groups") delete (value as Record<string, unknown>)["dev"];
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) continue;
    extra[key] = value;
  }
  return extra;
}

/** Key of `extra` under which what is unknown in RevitPy's own table is kept. */
export const OWN_EXTRA = "revitpy";

/** Reads `pyproject.toml`: `[project]` by PEP 621, the rest from `[tool.revitpy]` or `[revitpy]`. */
export function readPyproject(reading: Reading, root: LocatedTable): PackageManifest {
  const { table: ownNode, path } = ownTable(reading, root);
  const ownKey = path.join(".");
  const { values: ownValues, extra: ownExtra } = readFields(reading, ownNode, ownKey, OWN, "error-if-close");
  const own = ownValues as OwnValues;
  const { values, extra, table } = readProject(reading, root);
  const project = values as Record<string, unknown>;
  const sources = readSources(reading, child(ownNode, "sources"), `${ownKey}.sources`);
  const collecting: Collecting = {
    reading,
    sources,
    dependencies: [],
    features: Object.assign(emptyRecord<readonly string[]>(), own.features),
    own: canonicalOf(project["name"]),
  };
  readAllDependencies(collecting, root, table, ownNode, ownKey);
  const urls = readUrls(reading, child(table, "urls"), extra);
  const info = packageInfo(project, own, urls, extra);
  for (const key of OWN_LISTS) delete ownExtra[key];
  const ownDependencies = ownExtra["dependencies"] as Record<string, unknown> | undefined;
  if (ownDependencies !== undefined) {
    delete ownDependencies["optional"];
    if (Object.keys(ownDependencies).length === 0) delete ownExtra["dependencies"];
  }
  const rest = rootExtra(root);
  if (Object.keys(ownExtra).length > 0) rest[OWN_EXTRA] = ownExtra;
  return {
    dialect: "pyproject.toml",
    ...optional("package", info),
    dependencies: collecting.dependencies,
    ...optional("patches", own.patch),
    features: collecting.features,
    profiles: own.profile ?? emptyRecord(),
    chaosProfiles: own["chaos-profile"] ?? emptyRecord(),
    ...optional("security", own.security),
    hosts: hostsOf(project, own),
    runtimes: own.runtimes ?? [],
    extra: rest,
  };
}
