import { DIALECTS, dialectOf } from "./dialects/dialect.ts";
import { TREE_LIMITS, type Tree } from "./dialects/located.ts";
import { readPackYaml } from "./dialects/pack-yaml.ts";
import { readPlainToml, type WorkspaceContext } from "./dialects/plain-toml.ts";
import { readPyproject } from "./dialects/pyproject.ts";
import { checkReferences } from "./dialects/references.ts";
import { Reading } from "./dialects/reading.ts";
import { readTomlTree } from "./dialects/toml-tree.ts";
import { locatedFromPlain } from "./dialects/from-plain.ts";
import { readYamlTree } from "./dialects/yaml-tree.ts";
import { ManifestError } from "./manifest-error.ts";
import type { Diagnostic, DialectId, PackageManifest, WorkspaceTable } from "./manifest.ts";

/** How a manifest is read. */
export interface ReadManifestOptions {
  /** Path of the file, for messages only. */
  readonly file: string;
  readonly dialect: DialectId;
  /**
   * The workspace's table, when a member is read: gives the values marked `workspace = true`. Paths of
   * dependencies that come from it stay relative to the workspace's root.
   */
  readonly workspace?: WorkspaceTable;
}

/** What reading gives: the manifest where no diagnostic is an error, and everything that was found. */
export interface ReadManifestResult {
  readonly manifest?: PackageManifest;
  /** In the order of the file. */
  readonly diagnostics: Diagnostic[];
}

function decode(source: string | Uint8Array): { text: string; bad?: number } {
  if (typeof source === "string") {
    const lone = /[\uD800-\uDFFF]/u.exec(source);
    return lone === null ? { text: source } : { text: source, bad: lone.index };
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source) };
  } catch {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(source);
    return { text, bad: Math.max(0, text.indexOf("\uFFFD")) };
  }
}

function sizeOf(source: string | Uint8Array): number {
  return source.length;
}

/** The tree of a text, with a report of everything that stands in its way. */
function readTree(reading: Reading, text: string, dialect: DialectId): Tree {
  const tree = DIALECTS[dialect].format === "yaml" ? readYamlTree(text) : readTomlTree(text);
  for (const problem of tree.problems) {
    reading.report(problem, { code: problem.code, key: problem.key, problem: problem.problem });
  }
  return tree;
}

function contextOf(workspace: WorkspaceTable | undefined): WorkspaceContext | undefined {
  if (workspace === undefined) return undefined;
  return {
    values: new Map(Object.entries(workspace.package).map(([key, value]) => [key, locatedFromPlain(value)])),
    dependencies: new Map(workspace.dependencies.map((dependency) => [dependency.name, dependency])),
  };
}

/**
 * Reads a manifest of any dialect (`docs/spec/manifest.md`). Never throws on bad input: every mistake is a
 * diagnostic with its place, and `manifest` is there exactly when none of them is an error. Bytes are
 * decoded as UTF-8; a byte order mark and CRLF are accepted.
 */
export function readManifest(source: string | Uint8Array, options: ReadManifestOptions): ReadManifestResult {
  const { file, dialect } = options;
  const tooLarge = sizeOf(source) > TREE_LIMITS.textLength;
  const { text, bad } = tooLarge ? { text: "" } : decode(source);
  const reading = new Reading({ text, file, dialect, syntax: DIALECTS[dialect].syntax });
  const start = { start: bad ?? 0, end: bad ?? 0 };
  if (tooLarge) {
    reading.report(start, {
      code: "MANIFEST_TOO_LARGE",
      key: "",
      problem: "the file is too large",
      found: `${sizeOf(source)} bytes`,
      allowed: `${TREE_LIMITS.textLength} bytes`,
    });
  }
  if (bad !== undefined) reading.report(start, { code: "MANIFEST_ENCODING", key: "", problem: "it is not UTF-8 text" });
  if (reading.failed) return { diagnostics: sortDiagnostics(reading.diagnostics) };
  const { root } = readTree(reading, text, dialect);
  if (root === undefined || reading.failed) return { diagnostics: sortDiagnostics(reading.diagnostics) };
  const manifest = readRoot(reading, root, contextOf(options.workspace));
  return reading.failed
    ? { diagnostics: sortDiagnostics(reading.diagnostics) }
    : { manifest, diagnostics: sortDiagnostics(reading.diagnostics) };
}

function readRoot(
  reading: Reading,
  root: NonNullable<Tree["root"]>,
  workspace: WorkspaceContext | undefined,
): PackageManifest {
  const manifest = readDialect(reading, root, workspace);
  checkReferences(reading, root, manifest);
  return manifest;
}

function readDialect(
  reading: Reading,
  root: NonNullable<Tree["root"]>,
  workspace: WorkspaceContext | undefined,
): PackageManifest {
  if (reading.dialect === "pack.yaml") return readPackYaml(reading, root);
  return reading.dialect === "pyproject.toml" ? readPyproject(reading, root) : readPlainToml(reading, root, workspace);
}

/** The same diagnostics in the order of the file. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.toSorted(
    (left, right) => left.location.line - right.location.line || left.location.column - right.location.column,
  );
}

/** One diagnostic as compilers print it: `gal.toml:3:9: error: ... [MANIFEST_TYPE_WRONG]`, hint on a second line. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { location, severity, message, code, hint } = diagnostic;
  const first = `${location.file}:${location.line}:${location.column}: ${severity}: ${message} [${code}]`;
  return hint === undefined ? first : `${first}\n  hint: ${hint}`;
}

/**
 * Reads a manifest that has to be good.
 * @throws {ManifestError} `MANIFEST_INVALID` with all `diagnostics`, `location` being that of the first error.
 */
export function parseManifest(source: string | Uint8Array, options: ReadManifestOptions): PackageManifest {
  const { manifest, diagnostics } = readManifest(source, options);
  if (manifest !== undefined) return manifest;
  throw invalid(options.file, diagnostics);
}

function invalid(file: string, diagnostics: readonly Diagnostic[]): ManifestError {
  const errors = sortDiagnostics(diagnostics).filter(({ severity }) => severity === "error");
  const first = errors[0]!;
  const more = errors.length === 1 ? "" : ` (and ${errors.length - 1} more)`;
  return new ManifestError({
    code: "MANIFEST_INVALID",
    message: `${first.message}${more}`,
    hint: first.hint,
    location: first.location,
    file,
    diagnostics: sortDiagnostics(diagnostics),
  });
}

const HEAD_LENGTH = 65_536;

/**
 * The dialect of a file by its name or, where the name says nothing (`other.toml`, standard input), by what
 * only one dialect has.
 * @throws {ManifestError} `MANIFEST_DIALECT_UNKNOWN`
 */
export function detectDialect(file: string, text = ""): DialectId {
  const dialect = dialectOf(file) ?? dialectOfText(text.slice(0, HEAD_LENGTH));
  if (dialect !== undefined) return dialect;
  throw new ManifestError({
    code: "MANIFEST_DIALECT_UNKNOWN",
    message: `Cannot tell the dialect of "${file}": neither its name nor its content is that of a manifest`,
    hint: `Name it one of ${Object.keys(DIALECTS).join(", ")}`,
    file,
  });
}

const TELLTALES: readonly (readonly [RegExp, DialectId])[] = [
  [/^\s*\[(?:tool\.)?revitpy\b/m, "pyproject.toml"],
  [/^\s*\[package\.revit_compatibility\]/m, "revitpy.toml"],
  [/^gal-version\s*=/m, "gal.toml"],
  [/^vitte-version\s*=/m, "vitte.toml"],
  [/^\s*\[(?:package|workspace)\]/m, "lading.toml"],
  [/^\s*\[project\]/m, "pyproject.toml"],
  [/^ref:\s/m, "pack.yaml"],
];

function dialectOfText(text: string): DialectId | undefined {
  return TELLTALES.find(([pattern]) => pattern.test(text))?.[1];
}
