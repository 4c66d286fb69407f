import {
  canonicalName,
  compareVersions,
  compatibilitySlot,
  parseLockfile,
  parsePackageName,
  parseVersion,
  tryParseDigest,
  type LockPackage,
  type Lockfile,
} from "@lading/core-manifest";

/** Whether Git left both sides of a merge in a text. */
export function hasConflict(text: string): boolean {
  return /^<{7}(?: |$)/m.test(text) && /^>{7}(?: |$)/m.test(text);
}

/** Both sides of a text with conflict markers; what is common is in both, a base between them in neither. */
export function sidesOf(text: string): { readonly ours: string; readonly theirs: string } {
  const [ours, theirs]: [string[], string[]] = [[], []];
  let side: "both" | "ours" | "base" | "theirs" = "both";
  for (const line of text.split("\n")) {
    const marker = /^(<{7}|\|{7}|={7}|>{7})(?: |\r?$)/.exec(line)?.[1]?.[0];
    if (marker === "<") side = "ours";
    else if (marker === "|" && side === "ours") side = "base";
    else if (marker === "=" && side !== "both") side = "theirs";
    else if (marker === ">") side = "both";
    else {
      if (side === "both" || side === "ours") ours.push(line);
      if (side === "both" || side === "theirs") theirs.push(line);
    }
  }
  return { ours: ours.join("\n"), theirs: theirs.join("\n") };
}

/** No inputs have this digest, so that a merged lock is never taken for one that fits the manifests. */
const NEVER = tryParseDigest(`sha256:${"0".repeat(64)}`)!;

/**
 * What both sides of a conflict locked, as preferences for a new resolution: of a package that both have, the higher of
 * two compatible versions. The result is not a lock to install from.
 * @throws {CoreError} `LOCKFILE_INVALID` where a side by itself is no lock
 */
export function mergeConflict(text: string, file: string): Lockfile {
  const { ours, theirs } = sidesOf(text);
  const [left, right] = [parseLockfile(ours, file), parseLockfile(theirs, file)];
  const packages = new Map<string, LockPackage>();
  for (const one of [...left.packages, ...right.packages]) {
    const version = parseVersion(one.version);
    const key = `${canonicalName(parsePackageName(one.name))} ${compatibilitySlot(version)}`;
    const known = packages.get(key);
    if (known === undefined || compareVersions(version, parseVersion(known.version)) > 0) packages.set(key, one);
  }
  return { ...left, inputs: NEVER, packages: [...packages.values()] };
}
