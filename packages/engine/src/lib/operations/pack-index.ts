import path from "node:path";
import {
  PACK_INDEX_VERSION,
  checkPackIndex,
  mergePackIndexes,
  packIndexTime,
  parsePackIndex,
  renderPackIndex,
  updatePackIndex,
  type MergedPackIndex,
  type PackIndex,
  type PackIndexEntry,
  type PackIndexProblem,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, makeDirectory, readText, writeFileAtomic } from "../files.ts";
import { indexEntry, type IndexEntryInput } from "./pack-entry.ts";
import { packUrl } from "./pack-source.ts";

/** An entry and the index file that it goes into. */
export interface IndexUpdateInput extends IndexEntryInput {
  readonly index: string;
  /** Replace an entry that is there. */
  readonly update?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What was done to an index. */
export interface IndexUpdateResult {
  readonly file: string;
  readonly ref: string;
  readonly version: string;
  readonly before?: string;
  readonly change: "added" | "updated" | "unchanged";
  readonly packs: number;
  readonly entry: PackIndexEntry;
}

/**
 * Puts a pack's entry into a flat index file, which is replaced as a whole or not at all.
 * @throws {EngineError} `INDEX_FILE_MISSING`; {CoreError} `PACK_INDEX_DUPLICATE`, `PACK_INDEX_INVALID`
 */
export async function indexUpdate(input: IndexUpdateInput, context: EngineContext): Promise<IndexUpdateResult> {
  const file = path.resolve(context.cwd, input.index);
  const shown = displayPath(file, context.cwd);
  const current = await readIndex(file, {
    shown,
    action: "update",
    hint: "Correct --index, or make a registry with index-init DIR --url URL",
  });
  const entry = await indexEntry(input, context);
  const now = new Date(context.now());
  const { index, change, before } = updatePackIndex(current, entry, { update: input.update === true, now });
  if (change !== "unchanged" && input.dryRun !== true) await writeFileAtomic(file, renderPackIndex(index));
  const packs = index.packs.length;
  return { file: shown, ref: entry.ref, version: entry.version, ...(before && { before }), change, packs, entry };
}

async function readIndex(
  file: string,
  { shown, action, hint }: { readonly shown: string; readonly action: string; readonly hint?: string },
): Promise<PackIndex> {
  if (await exists(file)) return parsePackIndex(await readText(file), shown);
  throw new EngineError({
    code: "INDEX_FILE_MISSING",
    message: `Cannot ${action} the index "${shown}": there is no such file`,
    hint,
    file,
  });
}

/** Name and address of a new index. */
export interface IndexHead {
  readonly name?: string | undefined;
  /** HTTPS address. */
  readonly url?: string | undefined;
}

function emptyIndex({ name, url }: IndexHead, context: EngineContext): PackIndex {
  const address = url ?? context.profile.registry.defaultUrl;
  if (address === undefined) {
    throw new EngineError({
      code: "INDEX_SOURCE_INVALID",
      message: "Cannot make an index without the address that it will be served from",
      hint: "Run index-init with --url URL",
    });
  }
  return {
    registry_name: name ?? `${context.profile.title}: index`,
    registry_url: packUrl(address),
    version: PACK_INDEX_VERSION,
    last_updated: packIndexTime(new Date(context.now())),
    packs: [],
  };
}

/** Indexes to merge. */
export interface IndexMergeInput {
  readonly inputs: readonly string[];
  readonly output: string;
  /** Replace the output where it is there. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What a merge came to. */
export interface IndexMergeResult extends Omit<MergedPackIndex, "index"> {
  readonly file: string;
  readonly inputs: number;
}

/**
 * Merges flat indexes into one: of two entries for one pack the one of the higher version stays.
 * @throws {EngineError} `INDEX_FILE_EXISTS`, `INDEX_FILE_MISSING`, `PROJECT_FILE_UNREADABLE`; {CoreError} `PACK_INDEX_INVALID`, `PACK_INDEX_CONFLICT`
 */
export async function indexMerge(input: IndexMergeInput, context: EngineContext): Promise<IndexMergeResult> {
  const file = path.resolve(context.cwd, input.output);
  const shown = displayPath(file, context.cwd);
  if (input.force !== true && (await exists(file))) {
    throw new EngineError({
      code: "INDEX_FILE_EXISTS",
      message: `Cannot write the merged index: "${shown}" is there already`,
      hint: "Give --force to replace it",
      file,
    });
  }
  const indexes = await Promise.all(
    input.inputs.map(async (one) => {
      const source = path.resolve(context.cwd, one);
      return readIndex(source, { shown: displayPath(source, context.cwd), action: "merge" });
    }),
  );
  const { index, ...counts } = mergePackIndexes(indexes, new Date(context.now()));
  if (input.dryRun !== true) await writeFileAtomic(file, renderPackIndex(index));
  return { file: shown, inputs: indexes.length, ...counts };
}

/** What is wrong with one index file. */
export interface CheckedIndexFile {
  readonly file: string;
  readonly packs: number;
  readonly problems: readonly PackIndexProblem[];
}

/** Checks flat index files against their schema and lists every mistake. */
export async function indexValidate(
  input: { readonly files: readonly string[] },
  context: EngineContext,
): Promise<readonly CheckedIndexFile[]> {
  return Promise.all(
    input.files.map(async (one) => {
      const file = path.resolve(context.cwd, one);
      const { index, problems } = checkPackIndex(await readText(file));
      return { file: displayPath(file, context.cwd), packs: index?.packs.length ?? 0, problems };
    }),
  );
}

/** Where a template repository is made. */
export interface IndexInitInput extends IndexHead {
  readonly directory: string;
  readonly dryRun?: boolean | undefined;
}

/**
 * Makes the directory of a static registry: an empty index, a note for contributors and a place for packs. What is
 * there already is never touched.
 * @throws {EngineError} `INDEX_FILE_EXISTS`, `INDEX_SOURCE_INVALID`
 */
export async function indexInit(
  input: IndexInitInput,
  context: EngineContext,
): Promise<{ readonly files: readonly string[] }> {
  const directory = path.resolve(context.cwd, input.directory);
  const index = emptyIndex(input, context);
  const files = new Map([
    ["index.json", renderPackIndex(index)],
    ["README.md", templateReadme(index, context)],
    [".gitattributes", "index.json text eol=lf\n"],
  ]);
  for (const name of files.keys()) await refuseExisting(path.join(directory, name), context);
  if (input.dryRun !== true) {
    await makeDirectory(directory);
    for (const [name, text] of files) await writeFileAtomic(path.join(directory, name), text);
  }
  return { files: [...files.keys()].map((name) => displayPath(path.join(directory, name), context.cwd)) };
}

async function refuseExisting(file: string, context: EngineContext): Promise<void> {
  if (!(await exists(file))) return;
  throw new EngineError({
    code: "INDEX_FILE_EXISTS",
    message: `Cannot make the registry: "${displayPath(file, context.cwd)}" is there already`,
    hint: "Choose an empty directory",
    file,
  });
}

function templateReadme({ registry_name: name }: PackIndex, { profile }: EngineContext): string {
  const bin = profile.bins[0]!.name;
  const spelled = (command: string): string => {
    const own = profile.bins[0]!.commands.find((one) => one.command === command);
    return `${bin} ${own?.spelling ?? command}`;
  };
  return `# ${name}

A static registry: \`index.json\` lists every pack with the places that it can be installed from. Any web server can serve it.

Add a pack, or its next version:

\`\`\`sh
${spelled("index-update")} --index index.json path/to/pack --git-url https://github.com/OWNER/PACK --git-ref v1.0.0 --update
${spelled("index-validate")} index.json
git add index.json && git commit -m "Update the index" && git push
\`\`\`

Each source has the checksum of what is installed from it; an installation of other bytes is refused. Never write tokens into addresses.
`;
}
