import { existsSync } from "node:fs";
import { withEnvironmentLock } from "./environment-lock.ts";
import { currentNumber, switchTo } from "./environment.ts";
import { generationNumbers, noGeneration, readGeneration } from "./generation.ts";
import type { Environment, Generation } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/** The kept generations, oldest first; those whose record cannot be read are left out. */
export function history(environment: Environment): Generation[] {
  return generationNumbers(environment).flatMap((number) => {
    try {
      return [readGeneration(environment, number)];
    } catch (error) {
      if (error instanceof InstallerError) return [];
      throw error;
    }
  });
}

/**
 * The generation that the environment shows; `undefined` where nothing is installed.
 * @throws {InstallerError} `INSTALL_GENERATION_DAMAGED`
 */
export function current(environment: Environment): Generation | undefined {
  const number = currentNumber(environment);
  return number === undefined ? undefined : readGeneration(environment, number);
}

/**
 * Switches back, by default to the generation before the current one, with one rename. The generation that is left
 * stays, so that rolling forward is possible too.
 * @throws {InstallerError} `INSTALL_NO_GENERATION`, `INSTALL_GENERATION_DAMAGED`, `INSTALL_BUSY`
 */
export function rollback(
  environment: Environment,
  number?: number,
): Promise<{ from: number | undefined; to: Generation }> {
  return withEnvironmentLock(environment, async () => {
    const from = currentNumber(environment);
    const wanted =
      number ?? generationNumbers(environment).findLast((item) => item < (from ?? Number.POSITIVE_INFINITY));
    if (wanted === undefined) throw noGeneration(environment, undefined);
    const generation = readGeneration(environment, wanted);
    refuseIncomplete(environment, generation);
    switchTo(environment, wanted);
    return { from, to: { ...generation, current: true } };
  });
}

// A linked generation is only as good as the store behind it.
function refuseIncomplete(environment: Environment, generation: Generation): void {
  const gone = generation.packages.find((item) => !existsSync(`${generation.directory}/${item.path}`));
  if (gone === undefined) return;
  throw new InstallerError({
    code: "INSTALL_GENERATION_DAMAGED",
    message: `Cannot go back to generation ${generation.number} of "${environment.link}": "${gone.name}" ${gone.version} is gone`,
    hint: "Run install to make a new generation",
    generation: generation.number,
  });
}
