/**
 * Imports every npm tarball of the local npm cache and counts how many are taken unmodified:
 *
 *     node -C @lading/source scripts/import-tarballs.ts [CACHE]
 *
 * CACHE is npm's `_cacache` (default: `~/.npm/_cacache`). At least 96 of 100 must be taken; the refused are counted by
 * code, with an example each.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { importForeignArchive } from "@lading/archive/node";
import { isLadingError } from "@lading/core-manifest";

const REQUIRED = 0.96;
const cache = process.argv[2] ?? join(homedir(), ".npm/_cacache");
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

const tarballs = readdirSync(join(cache, "content-v2"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter(isGzip);
const refused = new Map<string, string[]>();
try {
  for (const tarball of tarballs) {
    const refusal = await refusalOf(tarball);
    if (refusal !== undefined) refused.set(refusal.code, [...(refused.get(refusal.code) ?? []), refusal.message]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const count = [...refused.values()].flat().length;
const taken = tarballs.length - count;
console.log(`${taken} of ${tarballs.length} tarballs imported (${((100 * taken) / tarballs.length).toFixed(1)} %)`);
for (const [code, messages] of refused) console.log(`  ${code}: ${messages.length}, for example: ${messages[0]}`);
process.exitCode = taken >= REQUIRED * tarballs.length ? 0 : 1;
