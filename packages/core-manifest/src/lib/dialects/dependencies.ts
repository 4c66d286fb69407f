import { canonicalName, type PackageName } from "../name.ts";
import type { DependencyKind, DependencySource, ManifestDependency } from "../manifest.ts";
import { isProblem, both, conditionKey, type Condition } from "./condition-algebra.ts";
import { hosts as hostsTable } from "./hosts.ts";
import type { LocatedEntry, LocatedTable, Span } from "./located.ts";
import { joinKey } from "./located.ts";
import { flag, listOf, readFields, shown, wrongType, type Reading, type ValueReader } from "./reading.ts";
import {
  checkName,
  directoryPath,
  featureName,
  gitRef,
  gitUrl,
  packageName,
  registryName,
  requirement,
  targetName,
  type ReadRequirement,
} from "./values.ts";

/** What a workspace's table says of a dependency that a member takes from it. */
export type WorkspaceDependencies = ReadonlyMap<string, ManifestDependency>;

const DEPENDENCY = {
  version: requirement,
  features: listOf(featureName),
  path: directoryPath,
  git: gitUrl,
  tag: gitRef,
  branch: gitRef,
  rev: gitRef,
  registry: registryName,
  optional: flag,
  "default-features": flag,
  package: packageName,
  workspace: flag,
  targets: listOf(targetName),
  hosts: hostsTable,
} as const;

// Vitte's own manifests name the package behind a key `module`.
const VITTE_DEPENDENCY = { ...DEPENDENCY, module: packageName } as const;

/** Keys of a dependency's table. */
export const DEPENDENCY_KEYS: readonly string[] = Object.keys(DEPENDENCY);

type DependencyFields = {
  [K in keyof typeof VITTE_DEPENDENCY]?: (typeof VITTE_DEPENDENCY)[K] extends ValueReader<infer T> ? T : never;
};

export interface DependencyContext {
  readonly reading: Reading;
  readonly kind: DependencyKind;
  /** Key of the table: `dependencies`. */
  readonly key: string;
  /** Absent where a dependency cannot be taken from a workspace. */
  readonly workspace?: WorkspaceDependencies | undefined;
  /** The condition that the table as a whole stands under, and the key that says it. */
  readonly under?: { readonly condition: Condition; readonly text: string } | undefined;
}

/** Reads `[dependencies]` and its sisters; package names that are one under folding are found. */
export function readDependencies(context: DependencyContext, table: LocatedTable): ManifestDependency[] {
  const dependencies: ManifestDependency[] = [];
  for (const entry of table.entries.values()) {
    const dependency = readDependency(context, entry);
    if (dependency !== undefined) dependencies.push(dependency);
  }
  reportTwins(
    context.reading,
    context.key,
    dependencies.map((dependency) => ({ name: dependency.name, place: table.entries.get(dependency.name)!.keySpan })),
  );
  return dependencies;
}

/** Reports names that are one package: `actor_utils` beside `actor-utils`. */
export function reportTwins(
  reading: Reading,
  key: string,
  names: readonly { name: string; place: Span; dependency?: Pick<ManifestDependency, "targets" | "hosts"> }[],
): void {
  const seen = new Map<string, string>();
  for (const { name, place, dependency = {} } of names) {
    // Under different conditions a package may be listed again.
    const canonical = `${canonicalName(name as PackageName)}\0${conditionKey(dependency)}`;
    const first = seen.get(canonical);
    if (first === undefined) seen.set(canonical, name);
    else {
      const problem =
        first === name
          ? "the package is listed twice"
          : `the package is already listed as "${first}": "-", "_" and "." are equal in names`;
      reading.report(place, { code: "MANIFEST_KEY_DUPLICATE", key: joinKey(key, name), problem, found: shown(name) });
    }
  }
}

function readDependency(context: DependencyContext, entry: LocatedEntry): ManifestDependency | undefined {
  const { reading } = context;
  const key = joinKey(context.key, entry.key);
  const nameIsGood = checkName(reading, entry.keySpan, key, entry.key);
  const fields = dependencyFields(context, entry, key);
  if (fields === undefined || !nameIsGood) return undefined;
  const problems = reading.diagnostics.length;
  checkFields(context, entry, key, fields);
  if (reading.diagnostics.length > problems && reading.failed) return undefined;
  return withWorkspace(context, entry, key, makeDependency(context, entry, fields));
}

function dependencyFields(context: DependencyContext, entry: LocatedEntry, key: string): DependencyFields | undefined {
  const { reading } = context;
  if (entry.node.kind === "string") {
    const read = requirement(reading, entry.node, key);
    return read === undefined ? undefined : { version: read };
  }
  if (entry.node.kind !== "table") {
    const quoted =
      entry.node.kind === "integer" || entry.node.kind === "float"
        ? `Quote it: "${reading.source(entry.node)}"`
        : undefined;
    return wrongType(reading, entry.node, key, "a version requirement or a table", quoted);
  }
  const specs = reading.dialect === "vitte.toml" ? VITTE_DEPENDENCY : DEPENDENCY;
  return readFields(reading, entry.node, key, specs, "error").values;
}

const SOURCE_KEYS = ["version", "path", "git", "workspace"] as const;

/** Keys that exclude each other, with what says so. */
const CONFLICTS: readonly (readonly [keyof DependencyFields, keyof DependencyFields])[] = [
  ["path", "git"],
  ["path", "registry"],
  ["git", "registry"],
  ["tag", "branch"],
  ["tag", "rev"],
  ["branch", "rev"],
  ["workspace", "version"],
  ["workspace", "path"],
  ["workspace", "git"],
  ["workspace", "registry"],
  ["package", "module"],
];

function checkFields(context: DependencyContext, entry: LocatedEntry, key: string, fields: DependencyFields): void {
  const { reading } = context;
  const has = (name: keyof DependencyFields): boolean => fields[name] !== undefined && fields[name] !== false;
  const place = (name: string): Span =>
    entry.node.kind === "table" ? (entry.node.entries.get(name)?.keySpan ?? entry.keySpan) : entry.keySpan;
  const present = entry.node.kind === "table" ? [...entry.node.entries.keys()] : SOURCE_KEYS;
  if (!SOURCE_KEYS.some((name) => present.includes(name))) {
    reading.report(entry.node, {
      code: "MANIFEST_KEY_MISSING",
      key,
      problem: "it says neither version nor source",
      allowed: '"version", "path", "git" or "workspace = true"',
    });
  }
  for (const [left, right] of CONFLICTS) {
    if (!has(left) || !has(right)) continue;
    reading.report(place(right), {
      code: "MANIFEST_KEY_CONFLICT",
      key: joinKey(key, right),
      problem: `"${left}" and "${right}" exclude each other`,
    });
  }
  for (const name of ["tag", "branch", "rev"] as const) {
    if (!has(name) || has("git")) continue;
    reading.report(place(name), {
      code: "MANIFEST_KEY_CONFLICT",
      key: joinKey(key, name),
      problem: `"${name}" has a meaning with "git" only`,
    });
  }
}

function sourceOf(fields: DependencyFields): DependencySource {
  if (fields.path !== undefined) return { type: "path", path: fields.path };
  if (fields.git !== undefined) {
    return {
      type: "git",
      url: fields.git,
      ...(fields.tag === undefined ? {} : { tag: fields.tag }),
      ...(fields.branch === undefined ? {} : { branch: fields.branch }),
      ...(fields.rev === undefined ? {} : { rev: fields.rev }),
    };
  }
  return fields.registry === undefined ? { type: "registry" } : { type: "registry", registry: fields.registry };
}

function requirementFields(
  read: ReadRequirement | undefined,
): Pick<ManifestDependency, "requirement" | "canonicalRequirement"> {
  return read === undefined ? {} : { requirement: read.text, canonicalRequirement: read.canonical };
}

function makeDependency(context: DependencyContext, entry: LocatedEntry, fields: DependencyFields): ManifestDependency {
  const alias = fields.package ?? fields.module;
  return {
    name: entry.key,
    ...(alias === undefined || alias === entry.key ? {} : { package: alias }),
    kind: context.kind,
    ...requirementFields(fields.version),
    source: sourceOf(fields),
    features: fields.features ?? [],
    defaultFeatures: fields["default-features"] ?? true,
    optional: fields.optional ?? false,
    workspace: fields.workspace ?? false,
    ...conditionFields(context, entry, fields),
    location: context.reading.locate({ start: entry.keySpan.start, end: Math.max(entry.keySpan.end, entry.node.end) }),
  };
}

/** The conditions of a dependency and of the table that it stands in, together. */
function conditionFields(
  context: DependencyContext,
  entry: LocatedEntry,
  fields: DependencyFields,
): Pick<ManifestDependency, "targets" | "hosts" | "condition"> {
  const own: Condition = { targets: fields.targets ?? [], hosts: fields.hosts ?? {} };
  const { under } = context;
  const joined = under === undefined ? own : both(under.condition, own);
  if (isProblem(joined)) {
    context.reading.report(entry.keySpan, {
      code: "MANIFEST_KEY_CONFLICT",
      key: joinKey(context.key, entry.key),
      problem: `it can never count: ${joined.problem}`,
    });
    return {};
  }
  return { ...conditionOf(joined), ...(under === undefined ? {} : { condition: under.text }) };
}

/** A condition as the fields of a dependency. */
export function conditionOf({ targets, hosts }: Condition): Pick<ManifestDependency, "targets" | "hosts"> {
  return {
    ...(targets.length === 0 ? {} : { targets }),
    ...(Object.keys(hosts).length === 0 ? {} : { hosts: { ...hosts } }),
  };
}

/** What `workspace = true` stands for is filled in; the mark stays, so that it can be written again. */
function withWorkspace(
  context: DependencyContext,
  entry: LocatedEntry,
  key: string,
  dependency: ManifestDependency,
): ManifestDependency | undefined {
  if (!dependency.workspace) return dependency;
  const shared = context.workspace?.get(dependency.name);
  if (shared === undefined) {
    // A member read alone, without its root, keeps the mark; the caller that knows the root reads it again.
    if (context.workspace === undefined) return dependency;
    context.reading.report(entry.keySpan, {
      code: "MANIFEST_WORKSPACE_VALUE_MISSING",
      key,
      problem: "the workspace's dependencies do not list it",
      found: shown(dependency.name),
      hint: `Add "${dependency.name}" to [workspace.dependencies]`,
    });
    return undefined;
  }
  return {
    ...dependency,
    ...(shared.package === undefined ? {} : { package: shared.package }),
    ...(shared.requirement === undefined ? {} : { requirement: shared.requirement }),
    ...(shared.canonicalRequirement === undefined ? {} : { canonicalRequirement: shared.canonicalRequirement }),
    source: shared.source,
    ...(dependency.targets === undefined && shared.targets !== undefined ? { targets: shared.targets } : {}),
    ...(dependency.hosts === undefined && shared.hosts !== undefined ? { hosts: shared.hosts } : {}),
    features: [...new Set([...shared.features, ...dependency.features])],
    defaultFeatures: dependency.defaultFeatures && shared.defaultFeatures,
  };
}
