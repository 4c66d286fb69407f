/**
 * Imports every npm tarball of the local npm cache and counts how many are taken unmodified:
 *
 *     node -C @lading/source scripts/import-tarballs.ts [CACHE] [--store DIRECTORY]...
 *
 * CACHE is npm's `_cacache` (default: `~/.npm/_cacache`). DIRECTORY is a pnpm virtual store (`node_modules/.pnpm`), whose
 * packages are put into tarballs as npm has them: pnpm keeps their files, not their archives. At least 96 of 100 must be
 * taken; the refused are counted by code, with an example each.
 */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { importForeignArchive } from "@lading/archive/node";
import { isLadingError } from "@lading/core-manifest";

const REQUIRED = 0.96;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { store: { type: "string", multiple: true, default: [] } },
});
const cache = positionals[0] ?? join(homedir(), ".npm/_cacache");
const folder = mkdtempSync(join(tmpdir(), "lading-tarballs-"));

function isGzip(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const magic = Buffer.alloc(3);
    return readSync(fd, magic) === 3 && magic.equals(Buffer.of(0x1f, 0x8b, 8));
  } finally {
    closeSync(fd);
  }
}

/** `undefined` where it was taken. */
async function refusalOf(source: string): Promise<{ readonly code: string; readonly message: string } | undefined> {
  const destination = join(folder, "package");
  try {
    await importForeignArchive({ source, destination, stripPrefix: true });
    return undefined;
  } catch (error) {
    if (isLadingError(error)) return error;
    throw error;
  } finally {
    rmSync(destination, { recursive: true, force: true });
  }
}

const cached = readdirSync(join(cache, "content-v2"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter(isGzip);

/** Directories of the packages of a virtual store; links lead to others that are met by themselves. */
function packagesOf(store: string): string[] {
  const below = (directory: string): string[] =>
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => (name.startsWith("@") ? below(join(directory, name)) : [join(directory, name)]));
  return readdirSync(store).flatMap((entry) => {
    const modules = join(store, entry, "node_modules");
    return entry !== "node_modules" && existsSync(modules) ? below(modules) : [];
  });
}

/** A tarball of an installed package, with the directory that npm's have around their files. */
function tarballOf(directory: string): string {
  const file = join(folder, "package.tgz");
  execFileSync("tar", [
    "-czf",
    file,
    "--hard-dereference",
    "--exclude=./node_modules",
    "--transform=s,^\\.,package,",
    "-C",
    directory,
    ".",
  ]);
  return file;
}

const sources: (() => string)[] = [
  ...cached.map((file) => () => file),
  ...values.store.flatMap(packagesOf).map((directory) => () => tarballOf(directory)),
];
const refused = new Map<string, string[]>();
try {
  for (const source of sources) {
    const refusal = await refusalOf(source());
    if (refusal !== undefined) refused.set(refusal.code, [...(refused.get(refusal.code) ?? []), refusal.message]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const count = [...refused.values()].flat().length;
const taken = sources.length - count;
console.log(`${taken} of ${sources.length} tarballs imported (${((100 * taken) / sources.length).toFixed(1)} %)`);
for (const [code, messages] of refused) console.log(`  ${code}: ${messages.length}, for example: ${messages[0]}`);
process.exitCode = taken >= REQUIRED * sources.length ? 0 : 1;
