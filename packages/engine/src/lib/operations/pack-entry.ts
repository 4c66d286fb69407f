import { readdir } from "node:fs/promises";
import path from "node:path";
import {
  PACK_COMPONENTS,
  checkPackEntry,
  orderPackEntry,
  parsePackComponent,
  type PackComponent,
  type PackIndexEntry,
  type PackageInfo,
  type PackageManifest,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { fileError, hasErrno, readText } from "../files.ts";
import { withCommittedFiles } from "../git-worktree.ts";
import type { Member } from "../project.ts";
import { gitPlaceOf, installSources, packAt, type PackSourceInput } from "./pack-source.ts";

/** What an entry is made of. */
export interface IndexEntryInput extends PackSourceInput {
  /** Directory of the pack. Default: the working directory. */
  readonly pack?: string | undefined;
}

/**
 * Makes a pack's entry for a flat index: everything that its manifest and components say, and its install sources
 * with their checksums. With a Git source it is made of the files that the reference has, where the checkout has it.
 * @throws {EngineError} `INDEX_SOURCE_INVALID`, `PROJECT_NOT_FOUND`; {CoreError} `PACK_INDEX_INVALID`, `PACK_COMPONENT_INVALID`
 */
export async function indexEntry(input: IndexEntryInput, context: EngineContext): Promise<PackIndexEntry> {
  const directory = path.resolve(context.cwd, input.pack ?? ".");
  // What is wrong with the manifest is told of the file that its author sees.
  await packAt(directory, context);
  const git = await gitPlaceOf(input, directory, context);
  return withCommittedFiles(context, directory, git.ref, async (files) => {
    const { member } = await packAt(files, context);
    const entry = {
      ...describePack(member.manifest),
      install_sources: await installSources({ ...input, git }, files, context),
      contents: await readContents(member),
    };
    return orderPackEntry(checkPackEntry(entry));
  });
}

function describePack(manifest: PackageManifest): Readonly<Record<string, unknown>> {
  const own: PackageInfo = manifest.package!;
  const { extra } = manifest;
  const [author = "", mail] = splitAuthor(own.authors[0]);
  return {
    ref: own.name,
    label: own.title ?? own.name,
    description: own.description ?? "",
    use_case: extra["use_case"],
    version: own.version,
    author: author === "" ? undefined : author,
    email: extra["email"] ?? mail,
    homepage: own.homepage,
    repository: own.repository,
    license: own.license,
    keywords: [...own.keywords],
    runtime_deps: manifest.runtimes.map(({ runtime, requirement }) => `${runtime}${requirement ?? ""}`),
    dependencies: describeDependencies(manifest),
    meta: extra["meta"],
  };
}

function splitAuthor(text: string | undefined): string[] {
  const match = /^(.*?)\s*<([^<>]*)>$/.exec(text ?? "");
  return match === null ? [text ?? ""] : [match[1]!, match[2]!];
}

function describeDependencies({ dependencies, hosts }: PackageManifest): Readonly<Record<string, unknown>> {
  const packs = dependencies
    .filter(({ kind }) => kind === "normal")
    .map(({ name, requirement }) =>
      requirement === undefined || requirement === "*" ? name : `${name}@${requirement}`,
    );
  const host = (axis: string): string | undefined => hosts[axis];
  return {
    attune_version: host("attune"),
    python_version: host("python"),
    nodejs_version: host("nodejs"),
    packs,
  };
}

/** Components from their files, else from the manifest's own table. */
async function readContents(member: Member): Promise<PackIndexEntry["contents"]> {
  const listed = member.manifest.extra["contents"] as Partial<PackIndexEntry["contents"]> | undefined;
  const kinds = await Promise.all(
    PACK_COMPONENTS.map(async (kind) => {
      const found = await readComponents(member, kind);
      return [kind, found.length > 0 ? found : (listed?.[kind] ?? [])] as const;
    }),
  );
  return Object.fromEntries(kinds) as PackIndexEntry["contents"];
}

async function readComponents(member: Member, kind: string): Promise<PackComponent[]> {
  const directory = path.join(member.directory, kind);
  const names = await listYaml(directory);
  const read = names.map(async (name) => {
    const file = path.join(directory, name);
    return parsePackComponent(await readText(file), { file: path.join(kind, name), pack: member.name });
  });
  return (await Promise.all(read)).sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function listYaml(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name)).map(({ name }) => name);
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw fileError("read", directory, error);
  }
}
