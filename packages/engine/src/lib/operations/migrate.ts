import { cp } from "node:fs/promises";
import path from "node:path";
import {
  importCargoManifest,
  importNpmManifest,
  writeManifest,
  type Diagnostic,
  type DialectId,
  type PackageManifest,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, readText, writeFileAtomic } from "../files.ts";

/** Tools whose manifests are converted. */
export type MigrationSource = "npm" | "cargo";

/** What is to be converted. */
export interface MigrateInput {
  readonly from: MigrationSource;
  /** Directories or manifests. Default: the working directory. */
  readonly sources?: readonly string[] | undefined;
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

const SOURCE_FILES: Readonly<Record<MigrationSource, string>> = { npm: "package.json", cargo: "Cargo.toml" };

/**
 * Converts other tools' manifests to the profile's dialect, beside the originals, and reports what it cannot say.
 * @throws {EngineError} `MIGRATE_SOURCE_INVALID` with every error, `MIGRATE_TARGET_EXISTS`; then nothing is written
 */
export async function migrate(input: MigrateInput, context: EngineContext): Promise<readonly MigratedManifest[]> {
  const sources = (input.sources ?? []).length === 0 ? ["."] : input.sources!;
  const { name: targetName, dialect } = context.profile.manifest.files[0]!;
  const converted = await Promise.all(sources.map((source) => convert(source, input.from, dialect, context)));
  for (const { directory } of converted) {
    if (input.force !== true) await refuseExisting(path.join(directory, targetName), context);
  }
  const results: MigratedManifest[] = [];
  for (const { file, directory, manifest, text, findings } of converted) {
    const target = path.join(directory, targetName);
    if (input.dryRun !== true) await writeFileAtomic(target, text);
    results.push({
      source: displayPath(file, context.cwd),
      target: displayPath(target, context.cwd),
      name: manifest.package!.name,
      version: manifest.package!.version,
      dependencies: manifest.dependencies.length,
      findings,
      written: input.dryRun !== true,
    });
  }
  return results;
}

interface Converted {
  readonly file: string;
  readonly directory: string;
  readonly manifest: PackageManifest;
  readonly text: string;
  readonly findings: readonly Diagnostic[];
}

async function convert(
  source: string,
  from: MigrationSource,
  dialect: DialectId,
  context: EngineContext,
): Promise<Converted> {
  const given = path.resolve(context.cwd, source);
  const file = path.basename(given) === SOURCE_FILES[from] ? given : path.join(given, SOURCE_FILES[from]);
  const shown = displayPath(file, context.cwd);
  const { manifest, findings } = importManifest(await readText(file), from, dialect, shown);
  const { text, lost } = writeManifest(manifest, dialect);
  return { file, directory: path.dirname(file), manifest, text, findings: [...findings, ...lost] };
}

/** @throws {EngineError} `MIGRATE_SOURCE_INVALID` */
function importManifest(
  text: string,
  from: MigrationSource,
  dialect: DialectId,
  file: string,
): { manifest: PackageManifest; findings: readonly Diagnostic[] } {
  const imported =
    from === "npm" ? importNpmManifest(text, { file, dialect }) : importCargoManifest(text, { file, dialect });
  const errors = imported.findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    throw new EngineError({
      code: "MIGRATE_SOURCE_INVALID",
      message: `Cannot convert "${file}": ${errors.length} ${errors.length === 1 ? "part" : "parts"} of it cannot be taken as they are`,
      diagnostics: errors,
    });
  }
  return imported;
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
  const imported = importManifest(withoutDevDependencies(await readText(source)), "npm", dialect, source);
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
