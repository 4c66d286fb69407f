import { isLadingError } from "./error.ts";

/**
 * The code of the error that `run` throws; `undefined` where it throws none. An error that is not one of Lading's
 * is a fault and thrown on: "throws nothing but its own codes" is `expect(errorCodeOf(run) ?? "X_").toMatch(/^X_/)`.
 */
export function errorCodeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (isLadingError(error)) return error.code;
    throw error;
  }
}
