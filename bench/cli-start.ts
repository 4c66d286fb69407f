import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printFigures, program, race } from "./lib/measure.ts";

const root = join(import.meta.dirname, "..");

/** Start of the command line for `--version` and `--help`, beside an empty script, npm and pnpm. */
export async function run(): Promise<void> {
  const empty = join(mkdtempSync(join(tmpdir(), "lading-bench-")), "empty.mjs");
  writeFileSync(empty, "");
  const lading = join(root, "apps/lading/dist/main.js");
  for (const flag of ["--version", "--help"]) {
    const figures = await race(
      [
        { name: `lading ${flag}`, run: () => program(process.execPath, [lading, flag]) },
        { name: "empty Node script", run: () => program(process.execPath, [empty]) },
        { name: `npm ${flag}`, run: () => program("npm", [flag]) },
        { name: `pnpm ${flag}`, run: () => program("pnpm", [flag]) },
      ],
      15,
    );
    printFigures(`start: ${flag}`, figures);
  }
}
