import { decodeCanonicalJson, encodeCanonicalJson, isLadingError } from "@lading/core-manifest";

function orUndefined<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isLadingError(error) && error.code === "CANONICAL_JSON_INVALID") return undefined;
    throw error;
  }
}

/** Canonical JSON, or `undefined` for a value that has no canonical form. */
export function tryEncodeCanonical(value: unknown): string | undefined {
  return orUndefined(() => encodeCanonicalJson(value));
}

/** The value of canonical text; `undefined` where the text is not JSON, or not in its one canonical spelling. */
export function tryDecodeCanonical(text: string): unknown {
  return orUndefined(() => decodeCanonicalJson(text));
}
