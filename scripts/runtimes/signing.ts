/**
 * `pnpm signing:runtimes [DIR…]`: runs the signing vectors (the project's own, and those in the folders given) with
 * node:crypto and with the portable verifier in Node 22, 24 and 26, Bun and Deno, and demands the same verdict for each
 * case. The other engines come from npm; one that is not to be had is named and left out.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ENGINES, ROOT, bundle, compare, verdictsOf } from "./engines.ts";

const folder = mkdtempSync(join(tmpdir(), "lading-runtimes-"));
try {
  process.exitCode = compareEngines(process.argv.slice(2)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function compareEngines(given: readonly string[]): boolean {
  const missing = given.find((place) => !existsSync(place));
  if (missing !== undefined) throw new Error(`Cannot read vectors in "${missing}": there is no such folder`);
  const places = [join(ROOT, "packages/signing/test/vectors"), ...given.map((place) => resolve(place))];
  const script = bundle("signing-verdicts", folder);
  const expected = verdictsOf({ name: `Node ${process.version}`, args: [] }, process.execPath, script, places);
  const names = Object.keys(expected);
  const failed = names.filter((name) => /failed: (?!none$)/.test(expected[name]!));
  for (const name of failed) console.log(`  ${name}: ${expected[name]}`);
  const differing = names.filter((name) => /^(?:accept refuse|refuse accept)$/.test(expected[name]!));
  for (const name of differing) console.log(`  ${name}: the portable verifier and node:crypto disagree`);
  console.log(`Node ${process.version}: ${names.length} verdicts, ${failed.length + differing.length} wrong`);
  const same = ENGINES.map((engine) => compare(engine, folder, script, places, expected));
  return same.every(Boolean) && failed.length + differing.length === 0;
}
