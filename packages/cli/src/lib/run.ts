// What every command line but --version needs, as one file of a bundle.
import { createBrand, type Branding } from "./brand.ts";
import { dispatch } from "./dispatch.ts";
import type { CliIo } from "./io.ts";

export { runProcess } from "./process.ts";

/** Runs one command line of a bin. */
export function runLine(argv: readonly string[], io: CliIo, branding: Branding): Promise<number> {
  return dispatch({ argv, io, brand: createBrand(branding) });
}
