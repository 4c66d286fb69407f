import { parsePackageName, type PackageName } from "@lading/core-manifest";
import { EngineError } from "./engine-error.ts";

/** `name@text` from a command line. */
export interface PackageSpec {
  readonly name: PackageName;
  /** What follows `@`, unread. */
  readonly text: string | undefined;
}

/**
 * Reads `name`, `name@^1.2.0`, `company/tool@1.0.0`. The first `@` after the name's start separates.
 * @throws {EngineError} `SPEC_INVALID`; {@link parsePackageName}'s `NAME_INVALID`
 */
export function parsePackageSpec(argument: string): PackageSpec {
  const at = argument.indexOf("@", 1);
  const text = at === -1 ? undefined : argument.slice(at + 1).trim();
  if (text === "") {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot read "${argument}": nothing follows the "@"`,
      hint: "Write a requirement after it, or leave the @ away",
    });
  }
  return { name: parsePackageName(at === -1 ? argument : argument.slice(0, at)), text };
}

/** Reads `name@version`, both needed. */
export function parseVersionSpec(argument: string): { readonly name: PackageName; readonly version: string } {
  const { name, text } = parsePackageSpec(argument);
  if (text === undefined) {
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot read "${argument}": a version is needed, as in "${name}@1.0.0"`,
    });
  }
  return { name, version: text };
}
