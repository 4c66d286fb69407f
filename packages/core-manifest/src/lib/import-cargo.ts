import { parseCondition } from "./dialects/cfg.ts";
import { isProblem } from "./dialects/condition-algebra.ts";
import { DIALECTS } from "./dialects/dialect.ts";
import { emptyTable, type LocatedEntry, type LocatedNode, type LocatedTable, type Span } from "./dialects/located.ts";
import { readPlainToml } from "./dialects/plain-toml.ts";
import { Reading, shown } from "./dialects/reading.ts";
import { checkReferences } from "./dialects/references.ts";
import { readTomlTree } from "./dialects/toml-tree.ts";
import { canonicalOf } from "./dialects/values.ts";
import { requirementIn } from "./dialects/write-common.ts";
import { finding, unreadable, type Finding, type ImportOptions, type ImportedManifest } from "./import-common.ts";
import type { ManifestDiagnosticCode } from "./manifest-error.ts";
import type { Diagnostic, PackageManifest } from "./manifest.ts";

const PACKAGE_KEYS = new Set([
  "name",
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
  "include",
  "exclude",
  "publish",
  "metadata",
]);
const DEPENDENCY_KEYS = new Set([
  "version",
  "features",
  "path",
  "git",
  "tag",
  "branch",
  "rev",
  "registry",
  "optional",
  "default-features",
  "package",
  "workspace",
]);
const WORKSPACE_KEYS = new Set(["members", "exclude", "package", "dependencies"]);
const DEPENDENCY_TABLES: Readonly<Record<string, string>> = {
  dependencies: "dependencies",
  "dev-dependencies": "dev-dependencies",
  dev_dependencies: "dev-dependencies",
  "build-dependencies": "build-dependencies",
  build_dependencies: "build-dependencies",
};
const IMPORT_CODES: Readonly<Record<string, ManifestDiagnosticCode>> = {
  MANIFEST_NAME_INVALID: "IMPORT_NAME_INVALID",
  MANIFEST_VERSION_INVALID: "IMPORT_VERSION_INVALID",
  MANIFEST_REQUIREMENT_INVALID: "IMPORT_REQUIREMENT_UNSUPPORTED",
};

interface Importing {
  readonly reading: Reading;
  readonly findings: Diagnostic[];
  /** Dependencies that were left out, which features may still name. */
  readonly dropped: Set<string>;
}

function note(importing: Importing, place: Span, what: Finding): void {
  importing.findings.push(finding(importing.reading.file, importing.reading.locate(place), what));
}

function drop(
  importing: Importing,
  entry: LocatedEntry,
  key: string,
  problem = "it has no counterpart here and was left out",
): void {
  note(importing, entry.keySpan, { code: "IMPORT_KEY_DROPPED", key, problem });
}

function tableWith(table: LocatedTable, entries: Iterable<LocatedEntry>): LocatedTable {
  const copy = emptyTable(table);
  for (const entry of entries) copy.entries.set(entry.key, entry);
  return copy;
}

function keepKeys(importing: Importing, table: LocatedTable, path: string, known: ReadonlySet<string>): LocatedTable {
  const kept: LocatedEntry[] = [];
  for (const entry of table.entries.values()) {
    if (known.has(entry.key)) kept.push(entry);
    else drop(importing, entry, `${path}.${entry.key}`);
  }
  return tableWith(table, kept);
}

function textNode(value: string, place: Span): LocatedNode {
  return { kind: "string", value, start: place.start, end: place.end };
}

function chosen(table: LocatedTable, key: string, value: string | undefined): void {
  if (value === undefined) return;
  const present = table.entries.get(key);
  const place = { start: table.start, end: table.start };
  table.entries.set(key, { key, keySpan: present?.keySpan ?? place, node: textNode(value, present?.node ?? place) });
}

function importPackage(
  importing: Importing,
  node: LocatedNode,
  options: ImportOptions,
): { table: LocatedNode; rust: string | undefined } {
  if (node.kind !== "table") return { table: node, rust: undefined };
  const rust = node.entries.get("rust-version")?.node;
  const known = new Set([...PACKAGE_KEYS, "rust-version"]);
  const table = keepKeys(importing, node, "package", known);
  table.entries.delete("rust-version");
  const readme = table.entries.get("readme")?.node;
  if (readme?.kind === "boolean") table.entries.delete("readme");
  chosen(table, "name", options.name);
  chosen(table, "version", options.version);
  return { table, rust: rust?.kind === "string" ? (rust.value as string) : undefined };
}

function importDependencies(importing: Importing, node: LocatedNode, path: string): LocatedNode {
  if (node.kind !== "table") return node;
  const entries = [...node.entries.values()].map((entry) => {
    if (entry.node.kind !== "table") return entry;
    const table = renamed(entry.node, "default_features", "default-features");
    return { ...entry, node: keepKeys(importing, table, `${path}.${entry.key}`, DEPENDENCY_KEYS) };
  });
  return tableWith(node, entries);
}

function renamed(table: LocatedTable, from: string, to: string): LocatedTable {
  const entries = [...table.entries.values()].map((entry) => (entry.key === from ? { ...entry, key: to } : entry));
  return tableWith(table, entries);
}

const PROFILE_KEYS: Readonly<Record<string, string>> = {
  "opt-level": "optimization_level",
  lto: "lto",
  inherits: "inherits",
  debug: "debug",
};

function importProfiles(importing: Importing, node: LocatedNode): LocatedNode {
  if (node.kind !== "table") return node;
  const entries = [...node.entries.values()].map((profile) => {
    if (profile.node.kind !== "table") return profile;
    const keys: LocatedEntry[] = [];
    for (const entry of profile.node.entries.values()) {
      const key = PROFILE_KEYS[entry.key];
      const sayable = key !== undefined && (key !== "debug" || entry.node.kind === "boolean");
      if (sayable) keys.push({ ...entry, key });
      else drop(importing, entry, `profile.${profile.key}.${entry.key}`);
    }
    return { ...profile, node: tableWith(profile.node, keys) };
  });
  return tableWith(node, entries);
}

/** Tables of dependencies under a condition; one that cannot be said here is left out with what it holds. */
function importTargets(importing: Importing, node: LocatedNode): LocatedNode {
  if (node.kind !== "table") return node;
  const entries: LocatedEntry[] = [];
  for (const target of node.entries.values()) {
    const condition = parseCondition(target.key);
    if (isProblem(condition)) dropTarget(importing, target, condition.problem);
    else if (target.node.kind === "table") entries.push({ ...target, node: importTarget(importing, target) });
  }
  return tableWith(node, entries);
}

function importTarget(importing: Importing, target: LocatedEntry): LocatedNode {
  if (target.node.kind !== "table") return target.node;
  const sections: LocatedEntry[] = [];
  for (const section of target.node.entries.values()) {
    const path = `target.${target.key}.${section.key}`;
    const key = DEPENDENCY_TABLES[section.key];
    if (key === undefined) drop(importing, section, path);
    else sections.push({ ...section, key, node: importDependencies(importing, section.node, path) });
  }
  return tableWith(target.node, sections);
}

function dropTarget(importing: Importing, target: LocatedEntry, problem: string): void {
  if (target.node.kind !== "table") return;
  for (const section of target.node.entries.values()) {
    const names = section.node.kind === "table" ? [...section.node.entries.keys()] : [];
    for (const name of names) importing.dropped.add(name);
    note(importing, target.keySpan, {
      code: "IMPORT_KEY_DROPPED",
      key: `target.${target.key}.${section.key}`,
      problem: `the condition cannot be said here (${problem}), so these dependencies were left out`,
      found: names.map(shown).join(", "),
      hint: "Add what is needed with `targets`",
    });
  }
}

function importWorkspace(importing: Importing, node: LocatedNode): LocatedNode {
  if (node.kind !== "table") return node;
  const table = keepKeys(importing, node, "workspace", WORKSPACE_KEYS);
  const dependencies = table.entries.get("dependencies");
  if (dependencies !== undefined)
    table.entries.set("dependencies", {
      ...dependencies,
      node: importDependencies(importing, dependencies.node, "workspace.dependencies"),
    });
  return table;
}

/** Items of features that name a dependency which was left out go with it. */
function importFeatures(importing: Importing, node: LocatedNode, own: ReadonlySet<string>): LocatedNode {
  if (node.kind !== "table") return node;
  const entries = [...node.entries.values()].map((entry) => {
    if (entry.node.kind !== "array") return entry;
    const items = entry.node.items.filter((item) => {
      const text = item.kind === "string" ? (item.value as string) : "";
      const name = text.replace(/^dep:/, "").replace(/\??\/.*$/, "");
      return own.has(name) || !importing.dropped.has(name);
    });
    if (items.length < entry.node.items.length)
      drop(importing, entry, `features.${entry.key}`, "items that name a left-out dependency were left out");
    return { ...entry, node: { ...entry.node, items } };
  });
  return tableWith(node, entries);
}

function dependencyNames(root: LocatedTable): Set<string> {
  const names = new Set<string>();
  const targets = root.entries.get("target")?.node;
  const sayable = targets?.kind === "table" ? [...targets.entries.values()] : [];
  const conditional = sayable.filter(({ key }) => !isProblem(parseCondition(key))).map(({ node }) => node);
  for (const owner of [root, ...conditional]) {
    for (const key of Object.keys(DEPENDENCY_TABLES)) {
      const table = owner.kind === "table" ? owner.entries.get(key)?.node : undefined;
      if (table?.kind === "table") for (const name of table.entries.keys()) names.add(name);
    }
  }
  return names;
}

/** The Cargo manifest as a tree of the plain dialect, with a finding for everything that is left out. */
function translate(
  importing: Importing,
  root: LocatedTable,
  options: ImportOptions,
): { tree: LocatedTable; rust: string | undefined } {
  const tree = emptyTable(root);
  let rust: string | undefined;
  const put = (entry: LocatedEntry, key: string, node: LocatedNode): void =>
    void tree.entries.set(key, { ...entry, key, node });
  const targets = root.entries.get("target");
  const conditional = targets && importTargets(importing, targets.node);
  const own = dependencyNames(root);
  for (const entry of root.entries.values()) {
    const dependencies = DEPENDENCY_TABLES[entry.key];
    if (dependencies !== undefined) put(entry, dependencies, importDependencies(importing, entry.node, entry.key));
    else if (entry.key === "package" || entry.key === "project") {
      const imported = importPackage(importing, entry.node, options);
      ({ rust } = imported);
      put(entry, "package", imported.table);
    } else if (entry.key === "features") put(entry, "features", importFeatures(importing, entry.node, own));
    else if (entry.key === "profile") put(entry, "profile", importProfiles(importing, entry.node));
    else if (entry.key === "workspace") put(entry, "workspace", importWorkspace(importing, entry.node));
    else if (conditional !== undefined && entry.key === "target") put(entry, "target", conditional);
    else drop(importing, entry, entry.key);
  }
  return { tree, rust };
}

function respelled(manifest: PackageManifest, options: ImportOptions, rust: string | undefined): PackageManifest {
  const dialect = options.dialect ?? "lading.toml";
  const { syntax } = DIALECTS[dialect];
  const minimum = rust === undefined ? undefined : canonicalOf(`>=${rust}`, "caret");
  const dependencies = manifest.dependencies.map((dependency) => {
    const requirement = requirementIn(dependency, "caret", syntax);
    return { ...dependency, ...(requirement === undefined ? {} : { requirement }) };
  });
  const hosts =
    minimum !== undefined && "canonical" in minimum ? { ...manifest.hosts, rust: minimum.canonical } : manifest.hosts;
  return { ...manifest, dialect, dependencies, hosts };
}

/**
 * Imports a `Cargo.toml`: package, all kinds of dependencies, features, build profiles, workspace, and
 * `rust-version` as host `rust`. Cargo's requirements mean the same here. Everything without a counterpart is a
 * finding; names are never changed.
 * @throws {ManifestError} `MANIFEST_INVALID` where the file is not TOML.
 */
export function importCargoManifest(text: string, options: ImportOptions): ImportedManifest {
  const reading = new Reading({ text, file: options.file, dialect: "lading.toml", syntax: "caret" });
  const { root, problems } = readTomlTree(text);
  for (const problem of problems)
    reading.report(problem, { code: "IMPORT_SYNTAX", key: problem.key, problem: problem.problem });
  if (root === undefined || reading.failed) throw unreadable(options.file, reading.diagnostics);
  const importing: Importing = { reading, findings: [], dropped: new Set() };
  const { tree, rust } = translate(importing, root, options);
  const manifest = readPlainToml(reading, tree, undefined);
  checkReferences(reading, tree, manifest);
  const mistakes = reading.diagnostics.map((diagnostic) => ({
    ...diagnostic,
    code: IMPORT_CODES[diagnostic.code] ?? diagnostic.code,
  }));
  return { manifest: respelled(manifest, options, rust), findings: [...mistakes, ...importing.findings] };
}
