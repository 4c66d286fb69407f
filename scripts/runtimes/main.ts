/**
 * `pnpm archive:runtimes`: gives the same archives to the strict readers in Node 22, 24 and 26, Bun and Deno, and demands
 * the same verdict for each: all hostile archives, all fixtures, and every package fixture with bytes changed. The other
 * engines come from npm, into a folder of the system's temporary directory; one that is not to be had is named and left out.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileArchives } from "@lading/archive/testing";
import { ENGINES, ROOT, bundle, compare, verdictsOf } from "./engines.ts";

const folder = mkdtempSync(join(tmpdir(), "lading-runtimes-"));
try {
  process.exitCode = compareEngines() ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function compareEngines(): boolean {
  const archives = writeArchives();
  const script = bundle("verdicts", folder);
  const expected = verdictsOf({ name: `Node ${process.version}`, args: [] }, process.execPath, script, [archives]);
  console.log(`Node ${process.version}: ${Object.keys(expected).length} verdicts`);
  const accepted = hostileArchives().filter(({ name, code }) => expected[name] !== code);
  for (const { name, code } of accepted) console.log(`  ${name}: ${expected[name]}, expected ${code}`);
  const same = ENGINES.map((engine) => compare(engine, folder, script, [archives], expected));
  return same.every(Boolean) && accepted.length === 0;
}

/** Hostile archives under their names, packages and changed packages as `package-*`. */
function writeArchives(): string {
  const archives = join(folder, "archives");
  mkdirSync(archives);
  for (const { name, bytes } of hostileArchives()) writeFileSync(join(archives, name), bytes);
  const fixtures = join(ROOT, "packages/archive/test/fixtures");
  for (const name of readdirSync(fixtures).filter((file) => !file.endsWith(".json"))) {
    const bytes = readFileSync(join(fixtures, name));
    writeFileSync(join(archives, `package-${name}`), bytes);
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 64)) {
      const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 0x10 : byte));
      writeFileSync(join(archives, `package-${name}-${at}`), changed);
    }
  }
  return archives;
}
