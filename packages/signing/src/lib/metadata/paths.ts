import { hasHashPrefix, succinctRoleOf } from "./bins.ts";
import type { DelegatedRole, Delegations, TargetFile } from "./metadata-file.ts";

/** A role name as part of a file name: everything but letters, digits and `_.-~` percent-encoded. */
export function encodeRoleName(role: string): string {
  return encodeURIComponent(role).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Path of a role's file below the metadata base: `3.bins-0f.json`, or without version where there is none. */
export function metadataPath(role: string, version?: number): string {
  const name = `${encodeRoleName(role)}.json`;
  return version === undefined ? name : `${version}.${name}`;
}

/** Path of a target below the targets base: with consistent snapshots, its digest before the last part of its path. */
export function targetPath(target: TargetFile, consistentSnapshot: boolean): string {
  if (!consistentSnapshot) return target.path;
  const digest = target.hashes["sha256"] ?? target.hashes["sha512"] ?? Object.values(target.hashes)[0]!;
  const slash = target.path.lastIndexOf("/") + 1;
  return `${target.path.slice(0, slash)}${digest}.${target.path.slice(slash)}`;
}

function matchesPart(pattern: string, part: string): boolean {
  // Two pointers instead of a regular expression: a hostile pattern of many stars costs at most pattern times part.
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < part.length) {
    if (pattern[p] === "*") [star, mark, p] = [p, t, p + 1];
    else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === part[t])) [p, t] = [p + 1, t + 1];
    else if (star >= 0) [p, mark, t] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/**
 * Whether a target path matches a PATHPATTERN (TUF 1.0 §4.5): `*` stands for any run, `?` for one character, neither for `/`.
 * Everything else stands for itself, `[` too.
 */
export function matchesPathPattern(pattern: string, path: string): boolean {
  const [patterns, parts] = [pattern.split("/"), path.split("/")];
  return patterns.length === parts.length && patterns.every((one, i) => matchesPart(one, parts[i]!));
}

function isDelegated(role: DelegatedRole, path: string): boolean {
  if (role.pathHashPrefixes !== undefined) return hasHashPrefix(path, role.pathHashPrefixes);
  return role.paths?.some((pattern) => matchesPathPattern(pattern, path)) ?? false;
}

/** The roles that a path is delegated to, in order of priority. */
export function delegationsFor(
  delegations: Delegations,
  path: string,
): readonly { readonly name: string; readonly terminating: boolean }[] {
  // TAP 15: a succinct delegation is terminating, since nobody else is responsible for a bin's paths.
  if (delegations.succinct !== undefined) {
    return [{ name: succinctRoleOf(delegations.succinct, path), terminating: true }];
  }
  return delegations.roles.filter((role) => isDelegated(role, path));
}
