import { CoreError } from "./core-error.ts";

declare const nameBrand: unique symbol;
declare const canonicalBrand: unique symbol;

/** A package name as its owner spells it: `tool` or `company/tool`, lower case. */
export type PackageName = string & { readonly [nameBrand]: "name" };

/**
 * A package name with `_` and `.` folded to `-`, the form under which names are compared, stored and
 * addressed: `actor_utils`, `actor.utils` and `actor-utils` are one package.
 */
export type CanonicalName = string & { readonly [canonicalBrand]: "canonical" };

/** Longest namespace or name part, in characters. */
export const NAME_PART_MAX_LENGTH = 64;

// Starts and ends with a letter or digit; separators single, so that folding cannot make two names of one picture.
const PART = /^[a-z0-9]+(?:[-_.][a-z0-9]+)*$/;

function partProblem(part: string, what: string): string | undefined {
  if (part === "") return `its ${what} is empty`;
  if (part.length > NAME_PART_MAX_LENGTH) {
    return `its ${what} has ${part.length} characters, allowed are ${NAME_PART_MAX_LENGTH}`;
  }
  if (part !== part.toLowerCase()) return `its ${what} has upper-case letters`;
  if (!PART.test(part)) {
    return `its ${what} may hold only a-z, 0-9 and single "-", "_" or "." between them`;
  }
  return undefined;
}

function nameProblem(text: string): string | undefined {
  const parts = text.split("/");
  if (parts.length > 2) return `it has ${parts.length - 1} slashes, allowed is one ("namespace/name")`;
  if (parts.length === 2) return partProblem(parts[0]!, "namespace") ?? partProblem(parts[1]!, "name");
  return partProblem(text, "name");
}

/**
 * Reads a package name.
 * @throws {CoreError} `NAME_INVALID`, with what is wrong and what is allowed.
 */
export function parsePackageName(text: string): PackageName {
  const problem = nameProblem(text);
  if (problem !== undefined) {
    throw new CoreError({
      code: "NAME_INVALID",
      message: `Cannot use "${text.slice(0, 140)}" as a package name: ${problem}`,
      name: text.slice(0, 140),
    });
  }
  return text as PackageName;
}

/** The name, or `undefined` where `text` is none. */
export function tryParsePackageName(text: string): PackageName | undefined {
  return nameProblem(text) === undefined ? (text as PackageName) : undefined;
}

/** The form under which two spellings of one name are equal. */
export function canonicalName(name: PackageName): CanonicalName {
  return name.replaceAll(/[_.]/g, "-") as CanonicalName;
}

/** Namespace (`undefined` where there is none) and bare name of a name in either form. */
export function splitName(name: PackageName | CanonicalName): { namespace: string | undefined; bare: string } {
  const slash = name.indexOf("/");
  return slash === -1
    ? { namespace: undefined, bare: name }
    : { namespace: name.slice(0, slash), bare: name.slice(slash + 1) };
}

/**
 * Path of a package's index document below a registry's index base, without a leading slash:
 * `index/_/ac/actor-utils.json` or `index/@company/to/tool.json` (`docs/spec/index.md` §paths).
 */
export function indexDocumentPath(name: PackageName | CanonicalName): string {
  const { namespace, bare } = splitName(name.replaceAll(/[_.]/g, "-") as CanonicalName);
  return `index/${namespace === undefined ? "_" : `@${namespace}`}/${bare.slice(0, 2)}/${bare}.json`;
}
