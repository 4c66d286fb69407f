import { DEPENDENCY_TABLES, DIALECTS } from "./dialects/dialect.ts";
import { plainValue } from "./dialects/located.ts";
import { parsePep508 } from "./dialects/pep508.ts";
import { InlineTable, tomlString, tomlValue } from "./dialects/toml-text.ts";
import { readTomlTree } from "./dialects/toml-tree.ts";
import { dependencyTable, respell, withoutCondition, type PlainTable } from "./dialects/write-common.ts";
import { packDependency } from "./dialects/write-pack.ts";
import { dependencyValue } from "./dialects/write-plain.ts";
import { pep508, sourceTable } from "./dialects/write-pyproject.ts";
import { readYamlTree } from "./dialects/yaml-tree.ts";
import { appendTomlItem, editTomlItems, removeTomlValue, setTomlValue, tomlPresence } from "./edit-toml.ts";
import { appendYamlItem, editYamlItems, removeYamlValue, setYamlValue, yamlShape, yamlValue } from "./edit-yaml.ts";
import { isLadingError } from "./error.ts";
import { comparableDependency, differences, same } from "./manifest-compare.ts";
import { ManifestError } from "./manifest-error.ts";
import { parseManifest, readManifest, type ReadManifestOptions } from "./manifest-read.ts";
import type {
  DependencyKind,
  Diagnostic,
  DialectId,
  ManifestDependency,
  PackageManifest,
  WorkspaceTable,
} from "./manifest.ts";
import { canonicalName, tryParsePackageName } from "./name.ts";

/** Which file is edited. */
export interface EditOptions {
  /** Path of the file, for messages only. */
  readonly file: string;
  readonly dialect: DialectId;
  /** The workspace's table, when a member is edited. */
  readonly workspace?: WorkspaceTable;
}

export interface AddDependencyOptions extends EditOptions {
  /**
   * What is wanted. `requirement` is in the dialect's syntax; where it is absent, `canonicalRequirement` is
   * respelled, and where both are, any version is accepted.
   */
  readonly dependency: ManifestDependency;
}

export interface RemoveDependencyOptions extends EditOptions {
  /** Name as in the manifest; `-`, `_` and `.` are equal. */
  readonly name: string;
  /** Kinds to remove it from; absent: all it is in. */
  readonly kinds?: readonly DependencyKind[];
}

export interface SetValueOptions extends EditOptions {
  /** Keys from the top: `["package", "version"]`. */
  readonly path: readonly string[];
  /** A string, number, boolean, list or table of such; `undefined` removes the key. */
  readonly value: unknown;
}

function readOptions(options: EditOptions): ReadManifestOptions {
  const { file, dialect, workspace } = options;
  return { file, dialect, ...(workspace === undefined ? {} : { workspace }) };
}

function canonical(name: string): string {
  const parsed = tryParsePackageName(name);
  return parsed === undefined ? name : canonicalName(parsed);
}

function notExpressible(options: EditOptions, name: string, problem: string): ManifestError {
  return new ManifestError({
    code: "MANIFEST_NOT_EXPRESSIBLE",
    message: `Cannot add "${name}" to "${options.file}": ${problem}`,
    hint: "Write it in another form, or move the manifest to lading.toml",
    file: options.file,
    name,
  });
}

function editFailed(
  options: EditOptions,
  what: string,
  problem: string,
  diagnostics: readonly Diagnostic[] = [],
): ManifestError {
  const first = diagnostics.find(({ severity }) => severity === "error");
  return new ManifestError({
    code: "MANIFEST_EDIT_FAILED",
    message: `Cannot ${what} in "${options.file}": ${problem}${first === undefined ? "" : `: ${first.message}`}`,
    hint: first?.hint ?? "Nothing was changed; make this change by hand",
    location: first?.location,
    file: options.file,
    diagnostics,
  });
}

/** The text after an edit read again; a mistake that the edit made is its failure. */
function readBack(text: string, options: EditOptions, what: string): PackageManifest {
  const { manifest, diagnostics } = readManifest(text, readOptions(options));
  if (manifest === undefined) throw editFailed(options, what, "the manifest would no longer be valid", diagnostics);
  return manifest;
}

/** Everything but the dependencies has to be what it was. */
function checkOthers(
  before: PackageManifest,
  after: PackageManifest,
  options: EditOptions,
  what: string,
  allowed: (key: string) => boolean,
): void {
  const others = { ...before, dependencies: [] };
  const changed = [...differences(others, after), ...differences({ ...after, dependencies: [] }, before)].filter(
    (key) => !allowed(key),
  );
  if (changed.length > 0) throw editFailed(options, what, `"${changed[0]!}" would change as well`);
}

// -- add ---------------------------------------------------------------------------------------------

function withRequirement(options: AddDependencyOptions): ManifestDependency {
  const { dependency, dialect } = options;
  if (dependency.requirement !== undefined || dependency.workspace) return dependency;
  const { syntax } = DIALECTS[dialect];
  const { canonicalRequirement } = dependency;
  if (canonicalRequirement === undefined)
    return dependency.source.type === "registry" ? { ...dependency, requirement: "*" } : dependency;
  const requirement = canonicalRequirement === "*" ? "*" : respell(canonicalRequirement, syntax);
  if (requirement === undefined)
    throw notExpressible(
      options,
      dependency.name,
      `"${dialect}" has no words for the requirement "${canonicalRequirement}"`,
    );
  return { ...dependency, requirement };
}

/** Where a plain TOML dialect has a dependency. */
function dependencyPath({ kind, name, condition }: ManifestDependency): string[] {
  const path = [DEPENDENCY_TABLES[kind], name];
  return condition === undefined ? path : ["target", condition, ...path];
}

/** A dependency as its own place says it: what the table around it says is not said again. */
function inPlace(dependency: ManifestDependency): ManifestDependency {
  return dependency.condition === undefined ? dependency : withoutCondition(dependency);
}

function addToPlainToml(text: string, dependency: ManifestDependency): string {
  const path = dependencyPath(dependency);
  const presence = tomlPresence(text, path);
  if (presence !== "table")
    return setTomlValue(text, path, tomlValue(dependencyValue(inPlace(dependency), dependency.requirement), Infinity));
  return setFields(text, path, dependencyTable(inPlace(dependency), dependency.requirement));
}

/** A dependency in the form `[dependencies.name]` or `name.version = ...` keeps that form. */
function setFields(text: string, path: readonly string[], fields: PlainTable): string {
  let result = text;
  const present = tableOf(text, path);
  for (const [key, value] of Object.entries(fields)) {
    if (!same(present[key], value)) result = setTomlValue(result, [...path, key], tomlValue(inline(value), Infinity));
  }
  for (const key of Object.keys(present)) if (!(key in fields)) result = removeTomlValue(result, [...path, key]);
  return result;
}

function tableOf(text: string, path: readonly string[]): PlainTable {
  const { root } = readTomlTree(text);
  let value: unknown = root === undefined ? {} : plainValue(root);
  for (const key of path) value = (value as PlainTable | undefined)?.[key];
  return (value ?? {}) as PlainTable;
}

const PYTHON_LISTS: Readonly<Record<DependencyKind, (own: readonly string[]) => readonly string[]>> = {
  normal: () => ["project", "dependencies"],
  dev: () => ["dependency-groups", "dev"],
  build: (own) => [...own, "build-dependencies"],
  peer: (own) => [...own, "peer-dependencies"],
};

function ownPath(text: string): readonly string[] {
  return tomlPresence(text, ["tool", "revitpy"]) === "absent" && tomlPresence(text, ["revitpy"]) !== "absent"
    ? ["revitpy"]
    : ["tool", "revitpy"];
}

function namesPython(name: string): (item: string) => boolean {
  return (item) => {
    const parsed = parsePep508(item);
    return !("problem" in parsed) && canonical(parsed.name) === canonical(name);
  };
}

/** Lists of `[project.optional-dependencies]` (and of RevitPy's own table) that hold a package. */
function extraPaths(text: string, name: string): (readonly string[])[] {
  const bases = [
    ["project", "optional-dependencies"],
    [...ownPath(text), "dependencies", "optional"],
  ];
  return bases.flatMap((base) =>
    Object.entries(tableOf(text, base))
      .filter(
        ([, items]) =>
          Array.isArray(items) && items.some((item) => typeof item === "string" && namesPython(name)(item)),
      )
      .map(([extra]) => [...base, extra]),
  );
}

function addToPyproject(text: string, dependency: ManifestDependency, options: EditOptions): string {
  if (dependency.name.includes("/"))
    throw notExpressible(options, dependency.name, "PEP 508 has no names with a namespace");
  if (dependency.workspace) throw notExpressible(options, dependency.name, `"${options.dialect}" has no workspaces`);
  const own = ownPath(text);
  const item = tomlString(pep508(dependency, dependency.requirement));
  const matches = namesPython(dependency.name);
  const extras = dependency.kind === "normal" ? extraPaths(text, dependency.name) : [];
  const plainPath = PYTHON_LISTS[dependency.kind](own);
  const asExtra = dependency.optional && dependency.kind === "normal";
  const paths = asExtra
    ? extras.length > 0
      ? extras
      : [["project", "optional-dependencies", dependency.name]]
    : [plainPath];
  let result = asExtra ? editTomlItems(text, plainPath, matches) : text;
  if (!asExtra) for (const path of extras) result = editTomlItems(result, path, matches);
  for (const path of paths) {
    const replaced = editTomlItems(result, path, matches, item);
    result = listHas(result, path, matches) ? replaced : appendTomlItem(result, path, item);
  }
  return setPythonSource(result, dependency, own);
}

function listHas(text: string, path: readonly string[], matches: (item: string) => boolean): boolean {
  const items: unknown = tableOf(text, path);
  return Array.isArray(items) && items.some((item) => typeof item === "string" && matches(item));
}

function setPythonSource(text: string, dependency: ManifestDependency, own: readonly string[]): string {
  const path = [...own, "sources", dependency.name];
  const source = sourceTable(dependency, dependency.kind === "normal");
  if (source === undefined) return tomlPresence(text, path) === "absent" ? text : removeTomlValue(text, path);
  return tomlPresence(text, path) === "table"
    ? setFields(text, path, source)
    : setTomlValue(text, path, tomlValue(new InlineTable(source), Infinity));
}

const PACK_KEYS: Readonly<Record<DependencyKind, string>> = DEPENDENCY_TABLES;

function packPath(text: string, kind: DependencyKind): readonly string[] {
  const key = PACK_KEYS[kind];
  const inIndexForm = ["packs", "attune_version", "python_version", "nodejs_version"].some(
    (name) => yamlShape(text, [key, name]) !== "absent",
  );
  return inIndexForm ? [key, "packs"] : [key];
}

function namesPack(name: string): (item: unknown) => boolean {
  return (item) => {
    if (typeof item === "string")
      return canonical(/^[A-Za-z0-9._/-]*/.exec(item.trim())![0].replace(/[._/-]+$/, "")) === canonical(name);
    if (typeof item !== "object" || item === null) return false;
    const { ref, name: other } = item as { ref?: unknown; name?: unknown };
    return canonical(String(ref ?? other)) === canonical(name);
  };
}

function addToPack(text: string, dependency: ManifestDependency, options: EditOptions): string {
  if (dependency.workspace) throw notExpressible(options, dependency.name, `"${options.dialect}" has no workspaces`);
  const path = packPath(text, dependency.kind);
  if (yamlShape(text, path) === "map") {
    const table = dependencyTable(dependency, dependency.requirement, "exact");
    const simple = Object.keys(table).length === 1 && table["version"] !== undefined;
    return setYamlValue(text, [...path, dependency.name], yamlValue(simple ? table["version"] : table));
  }
  const item = yamlValue(packDependency(dependency, dependency.requirement));
  const replaced = editYamlItems(text, path, namesPack(dependency.name), item);
  const present = tableOfYaml(text, path).some((value) => namesPack(dependency.name)(value));
  return present ? replaced : appendYamlItem(text, path, item);
}

function tableOfYaml(text: string, path: readonly string[]): readonly unknown[] {
  const { root } = readYamlTree(text);
  let value: unknown = root === undefined ? {} : plainValue(root);
  for (const key of path) value = (value as PlainTable | null | undefined)?.[key];
  return Array.isArray(value) ? value : [];
}

/** The key under which a package is already listed, so that its spelling stays. */
function presentName(before: PackageManifest, dependency: ManifestDependency): string {
  const present = before.dependencies.find(
    ({ kind, name, condition }) =>
      kind === dependency.kind && condition === dependency.condition && canonical(name) === canonical(dependency.name),
  );
  return present?.name ?? dependency.name;
}

function expectedOf(dependency: ManifestDependency, after: ManifestDependency): ManifestDependency {
  // What a workspace fills in is not in the file, so it cannot be expected of the edit.
  if (dependency.workspace) return { ...after, features: [...after.features] };
  const { canonicalRequirement: _canonical, ...rest } = dependency;
  return dependency.requirement === undefined || after.canonicalRequirement === undefined
    ? rest
    : { ...rest, canonicalRequirement: after.canonicalRequirement };
}

/**
 * Adds a dependency, or gives one that is there already (under the same kind) the values wanted, by replacing
 * as few characters as possible: comments, order, alignment, line endings and all other bytes stay. The result
 * is read again before it is returned.
 * @throws {ManifestError} `MANIFEST_INVALID` where the text is not valid before, `MANIFEST_NOT_EXPRESSIBLE` where the
 * dialect cannot say it, `MANIFEST_EDIT_FAILED` where the result would not be exactly what was asked for.
 */
export function addDependency(text: string, options: AddDependencyOptions): string {
  const before = parseManifest(text, readOptions(options));
  const wanted = withRequirement(options);
  const dependency = { ...wanted, name: presentName(before, wanted) };
  const what = `add "${dependency.name}"`;
  const result = splice(options, what, () => insert(text, dependency, options));
  const after = readBack(result, options, what);
  const others = ({ kind, name, condition }: ManifestDependency): boolean =>
    kind !== dependency.kind || name !== dependency.name || condition !== dependency.condition;
  const added = after.dependencies.find((candidate) => !others(candidate));
  if (added === undefined || !sayTheSame(expectedOf(dependency, added), added))
    throw editFailed(options, what, "it would not read back as it was asked for");
  if (!sameLists(before.dependencies.filter(others), after.dependencies.filter(others)))
    throw editFailed(options, what, "another dependency would change as well");
  checkOthers(
    before,
    after,
    options,
    what,
    (key) => options.dialect === "pyproject.toml" && key.startsWith("features."),
  );
  return result;
}

function insert(text: string, dependency: ManifestDependency, options: EditOptions): string {
  if (options.dialect === "pack.yaml") return addToPack(text, dependency, options);
  return options.dialect === "pyproject.toml"
    ? addToPyproject(text, dependency, options)
    : addToPlainToml(text, dependency);
}

function sayTheSame(left: ManifestDependency, right: ManifestDependency): boolean {
  const written = left.requirement ?? right.requirement;
  return written === right.requirement && same(comparableDependency(left), comparableDependency(right));
}

function sameLists(left: readonly ManifestDependency[], right: readonly ManifestDependency[]): boolean {
  return same(left.map(comparableDependency), right.map(comparableDependency));
}

/** Runs the text surgery; a text that a step has made unreadable is a failure of the edit, not of the caller. */
function splice(options: EditOptions, what: string, edit: () => string): string {
  try {
    return edit();
  } catch (error) {
    if (isLadingError(error)) throw error;
    throw new ManifestError({
      code: "MANIFEST_EDIT_FAILED",
      message: `Cannot ${what} in "${options.file}": the text could not be changed in place`,
      hint: "Nothing was changed; make this change by hand",
      cause: error,
      file: options.file,
    });
  }
}

// -- remove ------------------------------------------------------------------------------------------

function removeOne(text: string, dependency: ManifestDependency, dialect: DialectId, stillUsed: boolean): string {
  if (dialect === "pack.yaml") {
    const path = packPath(text, dependency.kind);
    return yamlShape(text, path) === "map"
      ? removeYamlValue(text, [...path, dependency.name])
      : editYamlItems(text, path, namesPack(dependency.name));
  }
  if (dialect !== "pyproject.toml") return removeTomlValue(text, dependencyPath(dependency));
  const own = ownPath(text);
  const matches = namesPython(dependency.name);
  let result = editTomlItems(text, PYTHON_LISTS[dependency.kind](own), matches);
  if (dependency.kind === "normal")
    for (const path of extraPaths(result, dependency.name)) result = editTomlItems(result, path, matches);
  return stillUsed ? result : removeTomlValue(result, [...own, "sources", dependency.name]);
}

/**
 * Removes a dependency with its line and the comment on that line; everything else keeps its bytes.
 * @throws {ManifestError} `MANIFEST_INVALID`, `MANIFEST_DEPENDENCY_NOT_FOUND` with the names there are, or
 * `MANIFEST_EDIT_FAILED`, for instance where a feature still refers to it.
 */
export function removeDependency(text: string, options: RemoveDependencyOptions): string {
  const before = parseManifest(text, readOptions(options));
  const isMeant = ({ kind, name }: ManifestDependency): boolean =>
    canonical(name) === canonical(options.name) && (options.kinds?.includes(kind) ?? true);
  const meant = before.dependencies.filter(isMeant);
  const what = `remove "${options.name}"`;
  if (meant.length === 0) throw notFound(before, options);
  const stillUsed = before.dependencies.some(
    (dependency) => canonical(dependency.name) === canonical(options.name) && !isMeant(dependency),
  );
  const result = splice(options, what, () => {
    let edited = text;
    for (const dependency of meant) edited = removeOne(edited, dependency, options.dialect, stillUsed);
    return edited;
  });
  const after = readBack(result, options, what);
  if (
    !sameLists(
      before.dependencies.filter((dependency) => !isMeant(dependency)),
      after.dependencies,
    )
  )
    throw editFailed(options, what, "another dependency would change as well");
  checkOthers(
    before,
    after,
    options,
    what,
    (key) => options.dialect === "pyproject.toml" && key.startsWith("features."),
  );
  return result;
}

function notFound(before: PackageManifest, options: RemoveDependencyOptions): ManifestError {
  const kinds = options.kinds === undefined ? "" : ` among its ${options.kinds.join(" and ")} dependencies`;
  const names = [...new Set(before.dependencies.map(({ name }) => name))];
  return new ManifestError({
    code: "MANIFEST_DEPENDENCY_NOT_FOUND",
    message: `Cannot remove "${options.name}" from "${options.file}": it is not there${kinds}`,
    hint:
      names.length === 0
        ? "The manifest has no dependencies"
        : `It has ${names.slice(0, 12).join(", ")}${names.length > 12 ? ", ..." : ""}`,
    file: options.file,
    name: options.name,
  });
}

// -- set ---------------------------------------------------------------------------------------------

function plainDocument(text: string, dialect: DialectId): PlainTable {
  const { root } = DIALECTS[dialect].format === "yaml" ? readYamlTree(text) : readTomlTree(text);
  return root === undefined ? {} : (plainValue(root) as PlainTable);
}

function withValue(table: PlainTable, path: readonly string[], value: unknown): PlainTable {
  const [key, ...rest] = path;
  const { [key!]: present, ...others } = table;
  if (rest.length === 0) return value === undefined ? others : { ...others, [key!]: value };
  const inner =
    typeof present === "object" && present !== null && !Array.isArray(present) ? (present as PlainTable) : {};
  return { ...others, [key!]: withValue(inner, rest, value) };
}

/** Tables that hold nothing more say nothing. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const);
  return Object.fromEntries(
    entries.filter(
      ([, inner]) =>
        !(typeof inner === "object" && inner !== null && !Array.isArray(inner) && Object.keys(inner).length === 0),
    ),
  );
}

/**
 * Sets or removes one value anywhere in a manifest; everything else keeps its bytes.
 * @throws {ManifestError} `MANIFEST_INVALID` where the text is not valid before, `MANIFEST_EDIT_FAILED` where the new value
 * is not allowed there or anything else would change.
 */
export function setValue(text: string, options: SetValueOptions): string {
  parseManifest(text, readOptions(options));
  const { path, value, dialect } = options;
  const what = `set "${path.join(".")}"`;
  if (path.length === 0) throw editFailed(options, what, "no key is named");
  const result = splice(options, what, () => {
    if (dialect === "pack.yaml")
      return value === undefined ? removeYamlValue(text, path) : setYamlValue(text, path, yamlValue(value));
    return value === undefined ? removeTomlValue(text, path) : setTomlValue(text, path, tomlValue(inline(value)));
  });
  readBack(result, options, what);
  const expected = withValue(plainDocument(text, dialect), path, value);
  if (!same(withoutEmpty(expected), withoutEmpty(plainDocument(result, dialect))))
    throw editFailed(options, what, "something else would change as well");
  return result;
}

function inline(value: unknown): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? new InlineTable(value as PlainTable)
    : value;
}
