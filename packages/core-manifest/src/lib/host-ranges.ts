import { parseRequirement } from "./requirement.ts";
import { tryParseVersion, type Version } from "./version.ts";

/**
 * The version of a host, which is written short: `2024` is 2024.0.0 and `3.11` is 3.11.0. `undefined` where the text is none.
 */
export function tryParseHostVersion(text: string): Version | undefined {
  const parts = text.split(".");
  return tryParseVersion(/^\d+(?:\.\d+)?$/.test(text) ? [...parts, "0", "0"].slice(0, 3).join(".") : text);
}

/**
 * Whether a version with these requirements on hosts (axis -> canonical requirement) is for the given ones (axis -> version).
 * An axis that is not given holds nothing back; a pre-release of a host counts as what it is.
 * @throws {CoreError} `REQUIREMENT_INVALID`: a requirement is not canonical
 */
export function meetsHosts(ranges: Readonly<Record<string, string>>, given: Readonly<Record<string, string>>): boolean {
  return Object.entries(ranges).every(([axis, requirement]) => {
    const version = Object.hasOwn(given, axis) ? tryParseHostVersion(given[axis]!) : undefined;
    return version === undefined || parseRequirement(requirement, "canonical").matchesWithPrereleases(version);
  });
}
