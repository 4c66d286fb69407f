import { cp } from "node:fs/promises";
import path from "node:path";
import {
  convertManifest,
  dialectOf,
  importCargoManifest,
  importNpmManifest,
  importPyprojectManifest,
  parseManifest,
  writeManifest,
  type Diagnostic,
  type DialectId,
  type ImportedManifest,
  type PackageManifest,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, readText, writeFileAtomic } from "../files.ts";
import { mateDependencies } from "../npm-workspace.ts";

/** Tools whose manifests are converted, and the ecosystems whose dialects are. */
export type MigrationSource = "npm" | "cargo" | "pyproject" | "lading" | "vitte" | "gal" | "attune" | "revitpy";

/** What is to be converted. */
export interface MigrateInput {
  readonly from: MigrationSource;
  /** Directories or manifests. Default: the working directory. */
  readonly sources?: readonly string[] | undefined;
  /** Dialect to write. Default: the one that the profile prefers. */
  readonly to?: DialectId | undefined;
  /** Replace a manifest that is there. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** One converted manifest. */
export interface MigratedManifest {
  readonly source: string;
  readonly target: string;
  readonly name: string;
  readonly version: string;
  readonly dependencies: number;
  /** What could not be taken, or was changed; nothing is lost silently. */
  readonly findings: readonly Diagnostic[];
  readonly written: boolean;
}

/** File names of each source, the usual one first. */
const SOURCE_FILES: Readonly<Record<MigrationSource, readonly string[]>> = {
  npm: ["package.json"],
  cargo: ["Cargo.toml"],
  pyproject: ["pyproject.toml"],
  lading: ["lading.toml"],
  vitte: ["vitte.toml"],
  gal: ["gal.toml"],
  attune: ["pack.yaml", "pack.yml"],
  revitpy: ["revitpy.toml", "pyproject.toml"],
};

/**
 * Converts other tools' manifests, and those of other ecosystems, beside the originals, and reports what the new dialect
 * cannot say. A dependency that cannot be carried over is left out, as `add` leaves it out; what npm packages that are
 * converted together take from each other (`workspace:*`) they take by path.
 * @throws {EngineError} `MIGRATE_SOURCE_INVALID` with every error, `MIGRATE_TARGET_EXISTS`; then nothing is written
 */
export async function migrate(input: MigrateInput, context: EngineContext): Promise<readonly MigratedManifest[]> {
  const sources = (input.sources ?? []).length === 0 ? ["."] : input.sources!;
  const preferred = context.profile.manifest.files[0]!;
  const dialect = input.to ?? preferred.dialect;
  const targetName = input.to ?? preferred.name;
  const imported = await Promise.all(sources.map((source) => importSource(source, input.from, dialect, context)));
  const converted = imported.map((one) => convert(one, input.from === "npm" ? imported : [], dialect));
  for (const { file, directory } of converted) {
    const target = path.join(directory, targetName);
    if (target === file) throw convertedToItself(file, context);
    if (input.force !== true) await refuseExisting(target, context);
  }
  const results: MigratedManifest[] = [];
  for (const { file, directory, manifest, text, findings } of converted) {
    const target = path.join(directory, targetName);
    if (input.dryRun !== true) await writeFileAtomic(target, text);
    results.push({
      source: displayPath(file, context.cwd),
      target: displayPath(target, context.cwd),
      name: manifest.package?.name ?? path.basename(directory),
      version: manifest.package?.version ?? "0.0.0",
      dependencies: manifest.dependencies.length,
      findings,
      written: input.dryRun !== true,
    });
  }
  return results;
}

function convertedToItself(file: string, context: EngineContext): EngineError {
  return new EngineError({
    code: "MIGRATE_TARGET_EXISTS",
    message: `Cannot convert "${displayPath(file, context.cwd)}": it is of that dialect already`,
    hint: "Name another dialect with --to, such as --to pack.yaml",
  });
}

interface Imported extends ImportedManifest {
  readonly file: string;
  readonly directory: string;
  readonly source: string;
}

async function importSource(
  source: string,
  from: MigrationSource,
  dialect: DialectId,
  context: EngineContext,
): Promise<Imported> {
  const file = await sourceFile(path.resolve(context.cwd, source), from);
  const text = await readText(file);
  const imported = readManifestOf(text, from, { dialect, file: displayPath(file, context.cwd) });
  return { ...imported, file, directory: path.dirname(file), source: text };
}

interface Converted {
  readonly file: string;
  readonly directory: string;
  readonly manifest: PackageManifest;
  readonly text: string;
  readonly findings: readonly Diagnostic[];
}

/** @throws {EngineError} `MIGRATE_SOURCE_INVALID` */
function convert(imported: Imported, workspace: readonly Imported[], dialect: DialectId): Converted {
  const { file, directory, source } = imported;
  const mates = workspace.flatMap((one) => {
    const name = one.manifest.package?.name;
    return name === undefined ? [] : [{ name, directory: one.directory }];
  });
  const found = mates.length < 2 ? [] : mateDependencies(source, directory, mates);
  const findings = imported.findings.filter(({ key }) => !found.some((mate) => mate.key === key));
  const { manifest: own } = imported;
  const manifest = { ...own, dependencies: [...own.dependencies, ...found.map(({ dependency }) => dependency)] };
  refuseErrors(findings.filter(({ code }) => own.package === undefined || !LEFT_OUT.has(code)));
  const { text, lost } = convertManifest(manifest, dialect);
  return { file, directory, manifest, text, findings: [...findings, ...lost] };
}

/** Of a dependency, where the package itself could be read: the manifest is whole without it. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "IMPORT_NAME_INVALID",
  "IMPORT_REQUIREMENT_UNSUPPORTED",
  "IMPORT_SOURCE_UNSUPPORTED",
]);

/** @throws {EngineError} `MIGRATE_SOURCE_INVALID` */
function refuseErrors(findings: readonly Diagnostic[]): void {
  const errors = findings.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first === undefined) return;
  throw new EngineError({
    code: "MIGRATE_SOURCE_INVALID",
    message: `Cannot convert "${first.location.file}": ${errors.length} ${errors.length === 1 ? "part" : "parts"} of it cannot be taken as they are`,
    diagnostics: errors,
  });
}

/** A manifest may have any name where it is named itself. */
async function sourceFile(given: string, from: MigrationSource): Promise<string> {
  const names = SOURCE_FILES[from];
  if (names.includes(path.basename(given)) || path.extname(given) === path.extname(names[0]!)) return given;
  for (const name of names) {
    const file = path.join(given, name);
    if (await exists(file)) return file;
  }
  return path.join(given, names[0]!);
}

type Importer = (text: string, options: { readonly file: string; readonly dialect: DialectId }) => ImportedManifest;

const IMPORTERS: Readonly<Partial<Record<MigrationSource, Importer>>> = {
  npm: importNpmManifest,
  cargo: importCargoManifest,
  pyproject: importPyprojectManifest,
};

function readManifestOf(
  text: string,
  from: MigrationSource,
  options: { readonly file: string; readonly dialect: DialectId },
): ImportedManifest {
  return IMPORTERS[from]?.(text, options) ?? readDialect(text, from, options.file);
}

/** A manifest of one of the ecosystems, as its own tool reads it. */
function readDialect(text: string, from: MigrationSource, file: string): ImportedManifest {
  const named = dialectOf(path.basename(file));
  const dialect = named ?? (SOURCE_FILES[from][0] as DialectId);
  return { manifest: parseManifest(text, { file, dialect }), findings: [] };
}

async function refuseExisting(target: string, context: EngineContext): Promise<void> {
  if (!(await exists(target))) return;
  throw new EngineError({
    code: "MIGRATE_TARGET_EXISTS",
    message: `Cannot write "${displayPath(target, context.cwd)}": it exists`,
    hint: "Give --force to replace it",
  });
}

/**
 * An installed package was built and published already: what its authors develop it with plays no part any more, and is
 * often no range at all (`next`, `workspace:*`).
 */
function withoutDevDependencies(text: string): string {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    return text; // The importer says what is wrong with it.
  }
  if (typeof manifest !== "object" || manifest === null || !("devDependencies" in manifest)) return text;
  const { devDependencies: _, ...rest } = manifest;
  return JSON.stringify(rest, null, 2);
}

/** An npm package tree that can be packed. */
export interface MigratedNpmPackage {
  readonly directory: string;
  readonly manifestFile: string;
  readonly manifest: PackageManifest;
  readonly findings: readonly Diagnostic[];
}

/**
 * Copies an installed npm package, without the packages installed inside it and without its development
 * dependencies, and writes a manifest into the copy. All
 * files of the copy belong to the package, whatever ignore files among them say: npm has chosen them already.
 * @param input.directory with a `package.json`
 * @param input.output must not exist
 * @throws {EngineError} `MIGRATE_SOURCE_INVALID`, `MIGRATE_TARGET_EXISTS`
 */
export async function migrateNpmPackage(input: {
  readonly directory: string;
  readonly output: string;
  /** Default: `lading.toml`. */
  readonly dialect?: DialectId | undefined;
}): Promise<MigratedNpmPackage> {
  const { directory, output, dialect = "lading.toml" } = input;
  const source = path.join(directory, "package.json");
  const imported = importNpmManifest(withoutDevDependencies(await readText(source)), { dialect, file: source });
  refuseErrors(imported.findings);
  if (await exists(output)) {
    throw new EngineError({ code: "MIGRATE_TARGET_EXISTS", message: `Cannot write "${output}": it exists` });
  }
  const manifest = { ...imported.manifest, package: { ...imported.manifest.package!, include: ["**"] } };
  const { text, lost } = writeManifest(manifest, dialect);
  await cp(directory, output, {
    recursive: true,
    dereference: true,
    filter: (file) => file === directory || !["node_modules", ".git"].includes(path.basename(file)),
  });
  await writeFileAtomic(path.join(output, dialect), text);
  return { directory: output, manifestFile: dialect, manifest, findings: [...imported.findings, ...lost] };
}
