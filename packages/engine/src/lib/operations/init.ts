import path from "node:path";
import {
  parsePackageName,
  parseVersion,
  validateLicense,
  writeManifest,
  type PackageManifest,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, makeDirectory, writeFileAtomic } from "../files.ts";
import { manifestIn } from "../project.ts";

/** What a new package is made from. */
export interface InitInput {
  /** Default: the directory's name, folded to a package name. */
  readonly name?: string | undefined;
  /** Default: the working directory. */
  readonly path?: string | undefined;
  /** Default: `0.1.0`. */
  readonly version?: string | undefined;
  readonly description?: string | undefined;
  /** SPDX expression. */
  readonly license?: string | undefined;
  /** Write the manifest, and nothing around it. */
  readonly manifestOnly?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** A package that was made. */
export interface InitResult {
  readonly name: string;
  readonly version: string;
  readonly directory: string;
  readonly manifest: string;
  /** Relative to the directory. */
  readonly files: readonly string[];
}

/**
 * Makes a package: its manifest in the ecosystem's dialect, a source directory, a readme and an ignore file that does not
 * ignore the lock. Files that are there stay as they are.
 * @throws {EngineError} `PROJECT_EXISTS`, `SPEC_INVALID`
 */
export async function init(input: InitInput, context: EngineContext): Promise<InitResult> {
  const directory = path.resolve(context.cwd, input.path ?? ".");
  const name = parsePackageName(input.name ?? nameOfDirectory(directory));
  const version = parseVersion(input.version ?? "0.1.0");
  checkLicense(input.license);
  const existing = (await exists(directory)) ? await manifestIn(context, directory) : undefined;
  if (existing !== undefined) {
    throw new EngineError({ code: "PROJECT_EXISTS", message: `Cannot make a package: "${existing.display}" exists` });
  }
  const { name: manifestName, dialect } = context.profile.manifest.files[0]!;
  const { text } = writeManifest(newManifest({ ...input, name, version }, dialect), dialect);
  const files = new Map([
    [manifestName, text],
    [".gitignore", ignoreFile(context)],
    ["README.md", `# ${name}\n${input.description === undefined ? "" : `\n${input.description}\n`}`],
  ]);
  if (input.manifestOnly === true) {
    await writeFileAtomic(path.join(directory, manifestName), text);
    return {
      name,
      version,
      directory: displayPath(directory, context.cwd),
      manifest: manifestName,
      files: [manifestName],
    };
  }
  const written = input.dryRun === true ? [...files.keys(), "src/"] : await writeSkeleton(directory, files);
  return { name, version, directory: displayPath(directory, context.cwd), manifest: manifestName, files: written };
}

function checkLicense(license: string | undefined): void {
  if (license === undefined) return;
  const { valid, problem } = validateLicense(license);
  if (valid) return;
  throw new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot use "${license}" as the licence: ${problem ?? "it is no SPDX expression"}`,
    hint: "Write an SPDX expression such as MIT or Apache-2.0 OR MIT",
  });
}

function nameOfDirectory(directory: string): string {
  const name = foldDirectoryName(directory);
  if (name !== undefined) return name;
  throw new EngineError({
    code: "SPEC_INVALID",
    message: `Cannot name a package after the directory "${path.basename(directory)}": no letter or digit of it may stand in a name`,
    hint: "Give a name: new PATH --name NAME, or init NAME",
  });
}

/** The nearest package name to a directory's name; `undefined` where nothing of it may stand in one. */
export function foldDirectoryName(directory: string): string | undefined {
  const folded = path
    .basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return folded === "" ? undefined : folded;
}

function newManifest(
  input: InitInput & { readonly name: string; readonly version: string },
  dialect: PackageManifest["dialect"],
): PackageManifest {
  return {
    dialect,
    package: {
      name: input.name,
      version: input.version,
      authors: [],
      ...(input.description === undefined ? {} : { description: input.description }),
      ...(input.license === undefined ? {} : { license: input.license }),
      keywords: [],
      categories: [],
      include: [],
      exclude: [],
      executables: [],
    },
    dependencies: [],
    features: {},
    profiles: {},
    chaosProfiles: {},
    hosts: {},
    runtimes: [],
    extra: {},
  };
}

function ignoreFile({ profile }: EngineContext): string {
  const lines = [".lading/", profile.install.directory, `${profile.package.outputDirectory}/`];
  return `${[...new Set(lines)].join("\n")}\n`;
}

async function writeSkeleton(directory: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  await makeDirectory(path.join(directory, "src"));
  const written = ["src/"];
  for (const [name, text] of files) {
    const file = path.join(directory, name);
    if (await exists(file)) continue;
    await writeFileAtomic(file, text);
    written.push(name);
  }
  return written.sort();
}
