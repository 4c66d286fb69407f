import { emptyTable, type LocatedEntry, type LocatedNode, type LocatedTable } from "./dialects/located.ts";
import { DIALECTS } from "./dialects/dialect.ts";
import { readPlainToml } from "./dialects/plain-toml.ts";
import { Reading, shown } from "./dialects/reading.ts";
import { readTomlTree } from "./dialects/toml-tree.ts";
import { requirementIn } from "./dialects/write-common.ts";
import { finding, unreadable, type Finding, type ImportOptions, type ImportedManifest } from "./import-common.ts";
import type { ManifestDiagnosticCode } from "./manifest-error.ts";
import type { Diagnostic, PackageManifest } from "./manifest.ts";
import { readManifest } from "./manifest-read.ts";

/**
 * Imports any project's `pyproject.toml`: the `[project]` table of PEP 621 with PEP 508 dependencies, `[tool.revitpy]` and
 * `[dependency-groups]` as the dialect reads them, or else `[tool.poetry]` with Poetry's own requirements. What has no
 * counterpart is a finding.
 * @throws {ManifestError} `MANIFEST_INVALID` where the file is not TOML.
 */
export function importPyprojectManifest(text: string, options: ImportOptions): ImportedManifest {
  const { root, problems } = readTomlTree(text);
  const reading = new Reading({ text, file: options.file, dialect: "lading.toml", syntax: "caret" });
  for (const problem of problems)
    reading.report(problem, { code: "IMPORT_SYNTAX", key: problem.key, problem: problem.problem });
  if (root === undefined || reading.failed) throw unreadable(options.file, reading.diagnostics);
  const poetry = tableAt(root, "tool", "poetry");
  if (poetry === undefined || root.entries.has("project")) return importStandard(text, options, reading, root);
  return importPoetry(poetry, options, reading);
}

// -- [project] ---------------------------------------------------------------------------------------

function importStandard(text: string, options: ImportOptions, reading: Reading, root: LocatedTable): ImportedManifest {
  const { manifest, diagnostics } = readManifest(text, { file: options.file, dialect: "pyproject.toml" });
  const findings = [...diagnostics];
  const tools = tableAt(root, "tool");
  const others = [...(tools?.entries.values() ?? [])].filter(({ key }) => key !== "revitpy");
  if (others.length > 0) {
    const place = reading.locate(others[0]!.keySpan);
    findings.push(
      finding(options.file, place, {
        code: "IMPORT_KEY_DROPPED",
        key: `tool.${others[0]!.key}`,
        problem: "settings of other tools stay in the file that they are in",
        found: others.map(({ key }) => shown(key)).join(", "),
      }),
    );
  }
  return { manifest: manifest ?? { ...EMPTY, dialect: "pyproject.toml" }, findings };
}

const EMPTY: Omit<PackageManifest, "dialect"> = {
  dependencies: [],
  features: {},
  profiles: {},
  chaosProfiles: {},
  hosts: {},
  runtimes: [],
  extra: {},
};

// -- [tool.poetry] -----------------------------------------------------------------------------------

const PACKAGE_KEYS = new Set([
  "name",
  "version",
  "description",
  "authors",
  "license",
  "readme",
  "repository",
  "homepage",
  "documentation",
  "keywords",
  "exclude",
]);

const SOURCE_KEYS: Readonly<Record<string, string>> = {
  version: "version",
  optional: "optional",
  extras: "features",
  path: "path",
  git: "git",
  tag: "tag",
  branch: "branch",
  rev: "rev",
};

const CODES: Readonly<Record<string, ManifestDiagnosticCode>> = {
  MANIFEST_NAME_INVALID: "IMPORT_NAME_INVALID",
  MANIFEST_VERSION_INVALID: "IMPORT_VERSION_INVALID",
  MANIFEST_REQUIREMENT_INVALID: "IMPORT_REQUIREMENT_UNSUPPORTED",
};

interface Importing {
  readonly reading: Reading;
  readonly findings: Diagnostic[];
}

function importPoetry(poetry: LocatedTable, options: ImportOptions, reading: Reading): ImportedManifest {
  const importing: Importing = { reading, findings: [] };
  const tree = emptyTable(poetry);
  const put = (key: string, node: LocatedNode): void =>
    void tree.entries.set(key, { key, keySpan: { start: node.start, end: node.start }, node });
  put("package", packageTable(importing, poetry, options));
  const { table, python } = dependencies(importing, tableAt(poetry, "dependencies"), "dependencies");
  if (table !== undefined) put("dependencies", table);
  const dev = tableAt(poetry, "group", "dev", "dependencies") ?? tableAt(poetry, "dev-dependencies");
  const developing = dependencies(importing, dev, "group.dev.dependencies").table;
  if (developing !== undefined) put("dev-dependencies", developing);
  if (python !== undefined) put("hosts", tableOf(python, [["python", python]]));
  const extras = tableAt(poetry, "extras");
  if (extras !== undefined) put("features", lowered(extras));
  for (const group of tableAt(poetry, "group")?.entries.values() ?? []) {
    if (group.key !== "dev") drop(importing, group, `group.${group.key}`);
  }
  const manifest = readPlainToml(reading, tree, undefined);
  const mistakes = reading.diagnostics.map((one) => ({ ...one, code: CODES[one.code] ?? one.code }));
  return { manifest: respelled(manifest, options), findings: [...mistakes, ...importing.findings] };
}

const READ_ELSEWHERE = new Set(["dependencies", "dev-dependencies", "group", "extras"]);

function packageTable(importing: Importing, poetry: LocatedTable, options: ImportOptions): LocatedTable {
  const table = emptyTable(poetry);
  for (const entry of poetry.entries.values()) {
    if (PACKAGE_KEYS.has(entry.key) && !(entry.key === "readme" && entry.node.kind === "array")) {
      table.entries.set(entry.key, entry);
    } else if (!READ_ELSEWHERE.has(entry.key)) drop(importing, entry, entry.key);
  }
  const given = { name: options.name, version: options.version };
  for (const [key, value] of Object.entries(given)) {
    if (value !== undefined) table.entries.set(key, { key, keySpan: poetry, node: stringNode(value, poetry) });
  }
  const name = table.entries.get("name");
  if (name?.node.kind === "string" && options.name === undefined) {
    // PEP 503: names are equal whatever their case.
    table.entries.set("name", { ...name, node: stringNode((name.node.value as string).toLowerCase(), name.node) });
  }
  return table;
}

function dependencies(
  importing: Importing,
  source: LocatedTable | undefined,
  path: string,
): { table?: LocatedTable; python?: LocatedNode } {
  if (source === undefined) return {};
  const table = emptyTable(source);
  let python: LocatedNode | undefined;
  for (const entry of source.entries.values()) {
    const node = dependency(importing, entry, `${path}.${entry.key}`);
    if (node === undefined) continue;
    if (entry.key === "python") python = node;
    else table.entries.set(entry.key.toLowerCase(), { ...entry, key: entry.key.toLowerCase(), node });
  }
  return { table, ...(python === undefined ? {} : { python }) };
}

function dependency(importing: Importing, entry: LocatedEntry, path: string): LocatedNode | undefined {
  const { node } = entry;
  if (node.kind === "string") return stringNode(poetryRequirement(node.value as string), node);
  if (node.kind !== "table") {
    note(importing, entry, {
      code: "IMPORT_REQUIREMENT_UNSUPPORTED",
      key: path,
      problem: "several requirements by condition have no counterpart",
    });
    return undefined;
  }
  const table = emptyTable(node);
  for (const inner of node.entries.values()) {
    const key = SOURCE_KEYS[inner.key];
    if (key === undefined) drop(importing, inner, `${path}.${inner.key}`);
    else {
      const value = inner.node;
      const written =
        key === "version" && value.kind === "string"
          ? stringNode(poetryRequirement(value.value as string), value)
          : value;
      table.entries.set(key, { ...inner, key, node: written });
    }
  }
  return table;
}

/** Poetry takes a bare version as exactly that one, Cargo's syntax as a caret. */
function poetryRequirement(text: string): string {
  const exact = (part: string): string => {
    const trimmed = part.trim();
    if (/^\d[\d.]*$/.test(trimmed)) return `=${trimmed}`;
    return trimmed.replace(/^==\s*/, "=");
  };
  return text
    .split("||")
    .map((side) => side.split(",").map(exact).join(", "))
    .join(" || ");
}

function respelled(manifest: PackageManifest, options: ImportOptions): PackageManifest {
  const dialect = options.dialect ?? "lading.toml";
  const { syntax } = DIALECTS[dialect];
  const dependencies = manifest.dependencies.map((one) => {
    const requirement = requirementIn(one, "caret", syntax);
    return { ...one, ...(requirement === undefined ? {} : { requirement }) };
  });
  return { ...manifest, dialect, dependencies };
}

// -- trees -------------------------------------------------------------------------------------------

function tableAt(root: LocatedTable, ...keys: readonly string[]): LocatedTable | undefined {
  let table: LocatedTable = root;
  for (const key of keys) {
    const node = table.entries.get(key)?.node;
    if (node?.kind !== "table") return undefined;
    table = node;
  }
  return table;
}

function tableOf(place: LocatedNode, entries: readonly (readonly [string, LocatedNode])[]): LocatedTable {
  const table = emptyTable({ start: place.start, end: place.end });
  for (const [key, node] of entries) table.entries.set(key, { key, keySpan: place, node });
  return table;
}

/** Names in lists in lower case, as those of dependencies are. */
function lowered(table: LocatedTable): LocatedTable {
  const copy = emptyTable(table);
  for (const entry of table.entries.values()) {
    const items =
      entry.node.kind === "array"
        ? entry.node.items.map((item) =>
            item.kind === "string" ? stringNode((item.value as string).toLowerCase(), item) : item,
          )
        : [];
    copy.entries.set(entry.key, entry.node.kind === "array" ? { ...entry, node: { ...entry.node, items } } : entry);
  }
  return copy;
}

function stringNode(value: string, place: { readonly start: number; readonly end: number }): LocatedNode {
  return { kind: "string", value, start: place.start, end: place.end };
}

function note(importing: Importing, entry: LocatedEntry, what: Finding): void {
  importing.findings.push(finding(importing.reading.file, importing.reading.locate(entry.keySpan), what));
}

function drop(importing: Importing, entry: LocatedEntry, key: string): void {
  note(importing, entry, {
    code: "IMPORT_KEY_DROPPED",
    key: `tool.poetry.${key}`,
    problem: "it has no counterpart here and was left out",
  });
}
