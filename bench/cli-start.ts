import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printFigures, program, race } from "./lib/measure.ts";
import { cleanEnvironment, pnpmPath, versionOf } from "./lib/peers.ts";

const root = join(import.meta.dirname, "..");
const ROUNDS = 21;

/** Start of the command line for `--version` and `--help`, beside an empty script, npm and pnpm. */
export async function run(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "lading-bench-start-"));
  const options = { cwd: home, env: cleanEnvironment(home) };
  const empty = join(home, "empty.mjs");
  writeFileSync(empty, "");
  const lading = join(root, "apps/lading/dist/main.js");
  const pnpm = pnpmPath();
  console.log(`\nnpm ${versionOf("npm")}, pnpm ${versionOf(pnpm)}`);
  try {
    for (const flag of ["--version", "--help"]) {
      // npm's own `--help` ends with 1.
      const npm = flag.replace("--help", "help");
      const figures = await race(
        [
          { name: `lading ${flag}`, run: () => program(process.execPath, [lading, flag], options) },
          { name: "empty Node script", run: () => program(process.execPath, [empty], options) },
          { name: `npm ${npm}`, run: () => program("npm", [npm], options) },
          { name: `pnpm ${flag}`, run: () => program(pnpm, [flag], options) },
        ],
        ROUNDS,
      );
      printFigures(`start: ${flag}`, figures);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
