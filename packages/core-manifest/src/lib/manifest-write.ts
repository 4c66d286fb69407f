import { yamlLibrary } from "./dialects/library.ts";
import { DateTimeText } from "./dialects/located.ts";
import { tomlDocument } from "./dialects/toml-text.ts";
import { some } from "./dialects/write-common.ts";
import { packDocument } from "./dialects/write-pack.ts";
import { plainTomlDocument } from "./dialects/write-plain.ts";
import { pyprojectDocument } from "./dialects/write-pyproject.ts";
import { MANIFEST_DIAGNOSTICS } from "./manifest-error.ts";
import { differences } from "./manifest-compare.ts";
import { readManifest, type ReadManifestOptions } from "./manifest-read.ts";
import type { Diagnostic, DialectId, PackageManifest, WorkspaceTable } from "./manifest.ts";

/** A manifest as text, and what the dialect could not say. */
export interface WrittenManifest {
  readonly text: string;
  /** `MANIFEST_DIALECT_LOSS` for everything that reading `text` does not give back; empty: nothing is lost. */
  readonly lost: Diagnostic[];
}

function yamlText(document: Readonly<Record<string, unknown>>): string {
  return yamlLibrary().stringify(
    some({ ...document }) ?? {},
    (_key, value: unknown) => (value instanceof DateTimeText ? value.text : value),
    { lineWidth: 0, version: "1.2", schema: "core", aliasDuplicateObjects: false },
  );
}

function render(manifest: PackageManifest, dialect: DialectId): string {
  if (dialect === "pack.yaml") return yamlText(packDocument(manifest));
  return tomlDocument(
    dialect === "pyproject.toml" ? pyprojectDocument(manifest) : plainTomlDocument(manifest, dialect),
  );
}

/** What the manifest takes from its workspace, so that it can be read back alone. */
export function workspaceOf(manifest: PackageManifest): WorkspaceTable | undefined {
  const inherited = manifest.package?.inherited ?? [];
  const shared = manifest.dependencies.filter(({ workspace }) => workspace);
  if (manifest.workspace !== undefined || (inherited.length === 0 && shared.length === 0)) return undefined;
  const info = manifest.package as unknown as Record<string, unknown> | undefined;
  const values = inherited.map((key) => [key, info?.[key === "license-file" ? "licenseFile" : key]] as const);
  return { members: [], exclude: [], package: Object.fromEntries(values), dependencies: shared };
}

function loss(dialect: DialectId, key: string, problem: string): Diagnostic {
  return {
    code: "MANIFEST_DIALECT_LOSS",
    severity: MANIFEST_DIAGNOSTICS.MANIFEST_DIALECT_LOSS.severity,
    message: `Cannot write "${key}" as "${dialect}": ${problem}`,
    location: { file: dialect, line: 1, column: 1 },
    key,
    hint: MANIFEST_DIAGNOSTICS.MANIFEST_DIALECT_LOSS.help,
  };
}

/**
 * A manifest in a dialect's own form: sections in a fixed order, no comments. What the dialect cannot say is
 * found by reading the text again, so nothing is dropped without a word. To change an existing file use
 * `addDependency`, `removeDependency` and `setValue`, which keep everything else as it is.
 */
export function writeManifest(manifest: PackageManifest, dialect: DialectId): WrittenManifest {
  const text = render(manifest, dialect);
  const workspace = workspaceOf(manifest);
  const options: ReadManifestOptions = { file: dialect, dialect, ...(workspace === undefined ? {} : { workspace }) };
  const back = readManifest(text, options);
  if (back.manifest === undefined) {
    const errors = back.diagnostics.filter(({ severity }) => severity === "error");
    return { text, lost: errors.map((error) => loss(dialect, error.key, error.message)) };
  }
  return {
    text,
    lost: differences(manifest, back.manifest).map((key) => loss(dialect, key, "the dialect has no words for it")),
  };
}
