import type {
  BuildProfile,
  ChaosProfile,
  ManifestDependency,
  ManifestPatch,
  PackageInfo,
  PackageManifest,
  RuntimeDependency,
  SecurityPolicy,
  WorkspaceTable,
} from "../manifest.ts";
import { parseCondition } from "./cfg.ts";
import { isProblem, type Condition } from "./condition-algebra.ts";
import { readDependencies, type WorkspaceDependencies } from "./dependencies.ts";
import { DEPENDENCY_TABLES, DIALECTS, INHERITABLE, type DialectTraits } from "./dialect.ts";
import { hosts as hostsTable, minimumVersion, revitCompatibility } from "./hosts.ts";
import {
  emptyRecord,
  emptyTable,
  joinKey,
  plainValue,
  type LocatedEntry,
  type LocatedNode,
  type LocatedTable,
} from "./located.ts";
import {
  asTable,
  kept,
  listOf,
  mapOf,
  nonEmptyText,
  readFields,
  shown,
  url,
  type KeySpecs,
  type Reading,
  type ValueReader,
} from "./reading.ts";
import { readPatches } from "./patches.ts";
import { PACKAGE_TEXTS, buildProfile, chaosProfile, features, runtime, security } from "./tables.ts";
import { isWorkspaceMark, packageName, requirement, version } from "./values.ts";

/** What a manifest of a member is read against. */
export interface WorkspaceContext {
  /** Keys of `[workspace.package]`, still with their places where the workspace is in the same file. */
  readonly values: ReadonlyMap<string, LocatedNode>;
  readonly dependencies: WorkspaceDependencies;
}

const PACKAGE = {
  name: packageName,
  version,
  authors: listOf(nonEmptyText),
  repository: url,
  homepage: url,
  metadata: kept,
  ...PACKAGE_TEXTS,
} as const;

type PackageFields = {
  [K in keyof typeof PACKAGE]?: (typeof PACKAGE)[K] extends ValueReader<infer T> ? T : unknown;
} & { author?: string };

/** What a dialect's package table gives: the package, and hosts that are stated inside it. */
export interface ReadPackage {
  readonly info: PackageInfo | undefined;
  readonly hosts: Record<string, string>;
}

export function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };
}

/** `[package]` of the plain dialects; values marked `workspace = true` are replaced first. */
export function readPackage(
  reading: Reading,
  table: LocatedTable,
  key: string,
  workspace: WorkspaceContext | undefined,
): ReadPackage {
  const traits = DIALECTS[reading.dialect];
  const { table: whole, inherited } = inherit(reading, table, key, workspace);
  const { values, extra } = readFields(reading, whole, key, packageSpecs(traits), "warning");
  const fields = values as PackageFields & Record<string, unknown>;
  const hosts = hostsOf(traits, fields, extra);
  for (const needed of ["name", "version"]) {
    if (whole.entries.has(needed)) continue;
    reading.report(table, {
      code: "MANIFEST_KEY_MISSING",
      key: joinKey(key, needed),
      problem: "it is not there",
      hint: needed === "version" ? 'Add version = "0.1.0"' : "Give the package a name",
    });
  }
  return { info: packageInfo(fields, extra, inherited), hosts };
}

const REVIT_PACKAGE = { author: nonEmptyText, revit_compatibility: revitCompatibility, desktop: kept } as const;

function packageSpecs(traits: DialectTraits): KeySpecs {
  const minimums = Object.fromEntries(Object.keys(traits.minimumHostKeys).map((key) => [key, minimumVersion]));
  return traits.id === "revitpy.toml" ? { ...PACKAGE, ...REVIT_PACKAGE } : { ...PACKAGE, ...minimums };
}

function hostsOf(
  traits: DialectTraits,
  fields: Record<string, unknown>,
  extra: Record<string, unknown>,
): Record<string, string> {
  const hosts = emptyRecord<string>();
  for (const [key, axis] of Object.entries(traits.minimumHostKeys)) {
    if (fields[key] !== undefined) hosts[axis] = fields[key] as string;
  }
  const compatibility = fields["revit_compatibility"] as
    | { canonical?: string; extra: Record<string, unknown> }
    | undefined;
  if (compatibility?.canonical !== undefined) hosts["revit"] = compatibility.canonical;
  if (compatibility !== undefined && Object.keys(compatibility.extra).length > 0)
    extra["revit_compatibility"] = compatibility.extra;
  return hosts;
}

function packageInfo(
  fields: PackageFields,
  extra: Record<string, unknown>,
  inherited: readonly string[],
): PackageInfo | undefined {
  if (fields.name === undefined || fields.version === undefined) return undefined;
  return {
    name: fields.name,
    version: fields.version,
    ...optional("title", fields.title),
    authors: fields.authors ?? (fields.author === undefined ? [] : [fields.author]),
    ...optional("description", fields.description),
    ...optional("license", fields.license),
    ...optional("licenseFile", fields["license-file"]),
    ...optional("repository", fields.repository),
    ...optional("homepage", fields.homepage),
    ...optional("documentation", fields.documentation),
    ...optional("readme", fields.readme),
    keywords: fields.keywords ?? [],
    categories: fields.categories ?? [],
    ...optional("edition", fields.edition),
    include: fields.include ?? [],
    exclude: fields.exclude ?? [],
    executables: fields.executables ?? [],
    ...optional("publish", fields.publish),
    ...optional("selfModifying", fields["self-modifying"]),
    ...optional("exclusiveFeatures", fields["exclusive-features"]),
    ...(inherited.length === 0 ? {} : { inherited }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

/** Replaces every `key.workspace = true` by the workspace's value, or reports that there is none. */
function inherit(
  reading: Reading,
  table: LocatedTable,
  key: string,
  workspace: WorkspaceContext | undefined,
): { table: LocatedTable; inherited: string[] } {
  const inherited: string[] = [];
  const whole = emptyTable(table);
  for (const entry of table.entries.values()) {
    if (!isWorkspaceMark(entry.node) || !INHERITABLE.includes(entry.key)) {
      whole.entries.set(entry.key, entry);
      continue;
    }
    const value = workspace?.values.get(entry.key);
    if (value !== undefined) {
      inherited.push(entry.key);
      whole.entries.set(entry.key, { ...entry, node: { ...value, start: entry.node.start, end: entry.node.end } });
      continue;
    }
    whole.entries.set(entry.key, entry);
    const hint =
      workspace === undefined ? "Read the member together with its workspace's root" : `Add it to [workspace.package]`;
    reading.report(entry.keySpan, {
      code: "MANIFEST_WORKSPACE_VALUE_MISSING",
      key: joinKey(key, entry.key),
      problem: "it is taken from the workspace, which does not have it",
      hint,
    });
    whole.entries.delete(entry.key);
  }
  return { table: whole, inherited };
}

const WORKSPACE = {
  members: listOf(nonEmptyText),
  exclude: listOf(nonEmptyText),
  dependencies: kept,
  package: kept,
  metadata: kept,
} as const;

/** `[workspace]` of the file itself, with what members can take from it. */
export function readWorkspace(
  reading: Reading,
  node: LocatedNode,
  key: string,
): { workspace: WorkspaceTable; context: WorkspaceContext } | undefined {
  const table = asTable(reading, node, key);
  if (table === undefined) return undefined;
  const { values, extra } = readFields(reading, table, key, WORKSPACE, "error-if-close");
  const dependencies = workspaceDependencies(reading, table, key);
  const packageTable = table.entries.get("package")?.node;
  const packageValues = new Map<string, LocatedNode>();
  if (packageTable !== undefined) {
    for (const entry of asTable(reading, packageTable, joinKey(key, "package"))?.entries.values() ?? [])
      packageValues.set(entry.key, entry.node);
  }
  const { dependencies: _dependencies, package: _package, ...rest } = extra;
  const plain = emptyRecord<unknown>();
  for (const [name, value] of packageValues) plain[name] = plainValue(value);
  return {
    workspace: {
      members: values.members ?? [],
      exclude: values.exclude ?? [],
      dependencies,
      package: plain,
      ...(Object.keys(rest).length === 0 ? {} : { extra: rest }),
    },
    context: {
      values: packageValues,
      dependencies: new Map(dependencies.map((dependency) => [dependency.name, dependency])),
    },
  };
}

function workspaceDependencies(reading: Reading, table: LocatedTable, key: string): ManifestDependency[] {
  const node = table.entries.get("dependencies")?.node;
  const path = joinKey(key, "dependencies");
  const dependencies = node === undefined ? undefined : asTable(reading, node, path);
  return dependencies === undefined ? [] : readDependencies({ reading, kind: "normal", key: path }, dependencies);
}

const runtimesTable: ValueReader<RuntimeDependency[]> = (reading, node, key) => {
  if (node.kind === "array") return listOf(runtime)(reading, node, key);
  const read = mapOf((inner, value, path, name) => {
    const found = requirement(inner, value, path);
    return found === undefined
      ? undefined
      : ({
          runtime: name,
          ...(found.canonical === "*" ? {} : { requirement: found.text }),
        } satisfies RuntimeDependency);
  })(reading, node, key);
  return read === undefined ? undefined : Object.values(read);
};

interface SectionReaders {
  readonly features: ValueReader<Record<string, readonly string[]>>;
  readonly profile: ValueReader<Record<string, BuildProfile>>;
  readonly "chaos-profile": ValueReader<Record<string, ChaosProfile>>;
  readonly security: ValueReader<SecurityPolicy>;
  readonly hosts: ValueReader<Record<string, string>>;
  readonly runtimes: ValueReader<RuntimeDependency[]>;
  readonly patch: ValueReader<ManifestPatch[]>;
}

/** Readers of the sections that are the same under any root. */
export const SECTIONS: SectionReaders = {
  features,
  profile: mapOf(buildProfile),
  "chaos-profile": mapOf(chaosProfile),
  security,
  hosts: hostsTable,
  runtimes: runtimesTable,
  patch: readPatches,
};

/** Dependencies of all kinds, in the order of the file. */
export function readDependencyTables(
  reading: Reading,
  root: LocatedTable,
  rootKey: string,
  workspace: WorkspaceDependencies | undefined,
): ManifestDependency[] {
  const dependencies: ManifestDependency[] = [];
  for (const entry of root.entries.values()) {
    if (entry.key === "target") {
      dependencies.push(...readConditionalTables(reading, entry.node, joinKey(rootKey, "target"), workspace));
      continue;
    }
    const kind = kindOf(entry);
    if (kind === undefined) continue;
    const key = joinKey(rootKey, entry.key);
    const table = asTable(reading, entry.node, key);
    if (table !== undefined) dependencies.push(...readDependencies({ reading, kind, key, workspace }, table));
  }
  return dependencies;
}

/** `[target.CONDITION]`: tables of dependencies that count under a condition. */
function readConditionalTables(
  reading: Reading,
  node: LocatedNode,
  key: string,
  workspace: WorkspaceDependencies | undefined,
): ManifestDependency[] {
  const dependencies: ManifestDependency[] = [];
  for (const { under, key: path, table } of conditionalTables(reading, node, key)) {
    readFields(reading, table, path, CONDITIONAL, "error");
    for (const entry of table.entries.values()) {
      const kind = kindOf(entry);
      const place = joinKey(path, entry.key);
      const inner = kind === undefined ? undefined : asTable(reading, entry.node, place);
      if (kind === undefined || inner === undefined) continue;
      dependencies.push(...readDependencies({ reading, kind, key: place, workspace, under }, inner));
    }
  }
  return dependencies;
}

/** The tables below `[target]`, each with its condition. */
export function conditionalTables(
  reading: Reading,
  node: LocatedNode,
  key: string,
): { readonly under: { readonly condition: Condition; readonly text: string }; key: string; table: LocatedTable }[] {
  const found: ReturnType<typeof conditionalTables> = [];
  for (const entry of asTable(reading, node, key)?.entries.values() ?? []) {
    const path = joinKey(key, entry.key);
    const condition = parseCondition(entry.key);
    const table = asTable(reading, entry.node, path);
    if (isProblem(condition)) {
      reading.report(entry.keySpan, {
        code: "MANIFEST_VALUE_INVALID",
        key: path,
        problem: condition.problem,
        found: shown(entry.key),
        allowed: `a target such as "x86_64-linux" or "*-linux", or a condition such as 'cfg(revit = ">=2025")'`,
      });
    } else if (table !== undefined) found.push({ under: { condition, text: entry.key }, key: path, table });
  }
  return found;
}

const CONDITIONAL: KeySpecs = Object.fromEntries(Object.values(DEPENDENCY_TABLES).map((key) => [key, kept]));

function kindOf(entry: LocatedEntry): ManifestDependency["kind"] | undefined {
  const found = Object.entries(DEPENDENCY_TABLES).find(([, table]) => table === entry.key);
  return found?.[0] as ManifestDependency["kind"] | undefined;
}

const ROOT = {
  ...SECTIONS,
  workspace: kept,
  dependencies: kept,
  "dev-dependencies": kept,
  "build-dependencies": kept,
  "peer-dependencies": kept,
  target: kept,
} as const;

function rootSpecs(traits: DialectTraits): KeySpecs {
  return { ...ROOT, ...Object.fromEntries([...traits.packageKeys, ...traits.foreignTables].map((key) => [key, kept])) };
}

/** GAL's documents also write chaos profiles as `[chaos.profiles.NAME]`. */
function chaosAlias(
  reading: Reading,
  root: LocatedTable,
  extra: Record<string, unknown>,
): Record<string, ChaosProfile> {
  const chaos = root.entries.get("chaos")?.node;
  const profiles = chaos?.kind === "table" ? chaos.entries.get("profiles")?.node : undefined;
  if (reading.dialect !== "gal.toml" || profiles === undefined) return emptyRecord();
  const { profiles: _profiles, ...rest } = extra["chaos"] as Record<string, unknown>;
  if (Object.keys(rest).length === 0) delete extra["chaos"];
  else extra["chaos"] = rest;
  return mapOf(chaosProfile)(reading, profiles, "chaos.profiles") ?? emptyRecord();
}

function packageEntry(reading: Reading, root: LocatedTable, traits: DialectTraits): LocatedEntry | undefined {
  const present = traits.packageKeys.map((key) => root.entries.get(key)).filter((entry) => entry !== undefined);
  if (present.length > 1) {
    const second = present[1]!;
    reading.report(second.keySpan, {
      code: "MANIFEST_KEY_CONFLICT",
      key: second.key,
      problem: `"${present[0]!.key}" and "${second.key}" are one table`,
      found: shown(second.key),
    });
  }
  return present[0];
}

function without(object: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  const rest = emptyRecord<unknown>();
  for (const [key, value] of Object.entries(object)) if (!keys.includes(key)) rest[key] = value;
  return rest;
}

/** Reads `lading.toml`, `vitte.toml`, `gal.toml` and `revitpy.toml`. */
export function readPlainToml(
  reading: Reading,
  root: LocatedTable,
  outer: WorkspaceContext | undefined,
): PackageManifest {
  const traits = DIALECTS[reading.dialect];
  const { values, extra } = readFields(reading, root, "", rootSpecs(traits), "error-if-close");
  const sections = values as {
    [K in keyof typeof SECTIONS]?: (typeof SECTIONS)[K] extends ValueReader<infer T> ? T : never;
  };
  const workspaceNode = root.entries.get("workspace")?.node;
  const own = workspaceNode === undefined ? undefined : readWorkspace(reading, workspaceNode, "workspace");
  const context = own?.context ?? outer;
  const entry = packageEntry(reading, root, traits);
  const table = entry === undefined ? undefined : asTable(reading, entry.node, entry.key);
  const read = table === undefined ? undefined : readPackage(reading, table, entry!.key, context);
  if (entry === undefined && workspaceNode === undefined) {
    reading.report(root, {
      code: "MANIFEST_KEY_MISSING",
      key: traits.packageKeys[0]!,
      problem: "there is no such table",
      hint: `Add [${traits.packageKeys[0]}] with name and version`,
    });
  }
  const aliases = chaosAlias(reading, root, extra);
  return {
    dialect: reading.dialect,
    ...optional("package", read?.info),
    dependencies: readDependencyTables(reading, root, "", context?.dependencies),
    ...optional("patches", sections.patch),
    features: sections.features ?? emptyRecord(),
    profiles: sections.profile ?? emptyRecord(),
    chaosProfiles: Object.assign(aliases, sections["chaos-profile"]),
    ...optional("security", sections.security),
    hosts: Object.assign(read?.hosts ?? emptyRecord<string>(), sections.hosts),
    runtimes: sections.runtimes ?? [],
    ...optional("workspace", own?.workspace),
    extra: without(extra, [...Object.keys(ROOT), ...traits.packageKeys]),
  };
}
