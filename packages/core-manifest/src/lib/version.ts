import semverParse from "semver/functions/parse.js";
import { CoreError } from "./core-error.ts";
import { parsedVersion } from "./parsed-version.ts";

declare const versionBrand: unique symbol;

/** A SemVer 2.0.0 version in its one canonical spelling, build metadata kept: `1.0.0-rc.1+build.5`. */
export type Version = string & { readonly [versionBrand]: "version" };

/** Longest version or requirement text that is looked at, in characters: parsing stays linear and bounded. */
export const VERSION_MAX_LENGTH = 256;

// SemVer 2.0.0 §9-11 in one pass without nested quantifiers. Leading zeros and `v` are refused here,
// where node-semver's loose corners would let them through.
const VERSION =
  /^(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,15})(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

/** The version, or `undefined` where `text` is none. */
export function tryParseVersion(text: string): Version | undefined {
  if (text.length > VERSION_MAX_LENGTH || !VERSION.test(text)) return undefined;
  return semverParse(text) === null ? undefined : (text as Version);
}

/**
 * Reads a version.
 * @throws {CoreError} `VERSION_INVALID`
 */
export function parseVersion(text: string): Version {
  const version = tryParseVersion(text);
  if (version === undefined) {
    const short = /^\d+(\.\d+)?$/.test(text) ? `; did you mean "${text}${text.includes(".") ? ".0" : ".0.0"}"?` : "";
    throw new CoreError({
      code: "VERSION_INVALID",
      message: `Cannot use "${text.slice(0, 100)}" as a version: expected MAJOR.MINOR.PATCH${short}`,
      version: text.slice(0, 100),
    });
  }
  return version;
}

/**
 * Orders two versions by SemVer precedence (§11); equal precedence, that is versions that differ in
 * build metadata only, is ordered by the build text so that every sort is stable.
 */
export function compareVersions(left: Version, right: Version): number {
  const a = parsedVersion(left);
  const b = parsedVersion(right);
  return a.compare(b) || a.compareBuild(b);
}

/** Whether `version` is a pre-release such as `1.0.0-rc.1`. */
export function isPrerelease(version: Version): boolean {
  return parsedVersion(version).prerelease.length > 0;
}

/**
 * The compatibility slot that `per-major` coexistence uses: `1` for 1.x, `0.3` for 0.3.x, `0.0.4` for 0.0.4,
 * so that two versions of one slot are compatible in the sense of the caret.
 */
export function compatibilitySlot(version: Version): string {
  const { major, minor, patch } = parsedVersion(version);
  if (major > 0) return `${major}`;
  return minor > 0 ? `0.${minor}` : `0.0.${patch}`;
}
