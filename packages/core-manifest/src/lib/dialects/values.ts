import { isLadingError } from "../error.ts";
import { tryParsePackageName } from "../name.ts";
import { parseRequirement, type RequirementSyntax } from "../requirement.ts";
import { tryParseVersion } from "../version.ts";
import type { LocatedNode, Span } from "./located.ts";
import { nonEmptyText, shown, text, wrongType, type Reading, type ValueReader } from "./reading.ts";

/** A requirement as written and in canonical syntax. */
export interface ReadRequirement {
  readonly text: string;
  readonly canonical: string;
}

/** Canonical form of a requirement, or what is wrong with it. */
export function canonicalOf(
  requirement: string,
  syntax: RequirementSyntax,
): { canonical: string } | { problem: string; hint?: string | undefined } {
  try {
    return { canonical: parseRequirement(requirement, syntax).canonical };
  } catch (error) {
    if (isLadingError(error) && error.code === "REQUIREMENT_INVALID")
      return { problem: reasonOf(error.message), hint: error.hint };
    throw error;
  }
}

export function checkRequirement(
  reading: Reading,
  place: Span,
  key: string,
  requirement: string,
  syntax: RequirementSyntax = reading.syntax,
): ReadRequirement | undefined {
  const result = canonicalOf(requirement, syntax);
  if ("canonical" in result) return { text: requirement, canonical: result.canonical };
  reading.report(place, {
    code: "MANIFEST_REQUIREMENT_INVALID",
    key,
    problem: result.problem,
    found: shown(requirement),
    hint: result.hint,
  });
  return undefined;
}

/** What follows the failed action of an error's message. */
function reasonOf(message: string): string {
  const colon = message.indexOf('": ');
  return colon === -1 ? message : message.slice(colon + 3);
}

/** A requirement in the dialect's syntax. */
export const requirement: ValueReader<ReadRequirement> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  return value === undefined ? undefined : checkRequirement(reading, node, key, value);
};

/** A package name; where `namesMayBeMixedCase` the dialect's own rule says that case does not count. */
export function checkName(reading: Reading, place: Span, key: string, name: string): boolean {
  if (tryParsePackageName(name) !== undefined) return true;
  const lower = name.toLowerCase();
  reading.report(place, {
    code: "MANIFEST_NAME_INVALID",
    key,
    problem: "the name breaks the name rules",
    found: shown(name),
    allowed: 'a-z, 0-9 and single "-", "_" or "." between them, after at most one "namespace/"',
    hint: tryParsePackageName(lower) === undefined ? undefined : `Write "${lower}"`,
  });
  return false;
}

export const packageName: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  return value !== undefined && checkName(reading, node, key, value) ? value : undefined;
};

export const version: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined || tryParseVersion(value) !== undefined) return value;
  const padded = /^\d+(?:\.\d+)?$/.test(value) ? `${value}${value.includes(".") ? ".0" : ".0.0"}` : undefined;
  reading.report(node, {
    code: "MANIFEST_VERSION_INVALID",
    key,
    problem: "it is not a SemVer version",
    found: shown(value),
    allowed: "MAJOR.MINOR.PATCH with optional -pre-release and +build",
    hint: padded !== undefined && tryParseVersion(padded) !== undefined ? `Did you mean "${padded}"?` : undefined,
  });
  return undefined;
};

const FEATURE = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/;

export function checkFeatureName(reading: Reading, place: Span, key: string, name: string): boolean {
  if (FEATURE.test(name)) return true;
  reading.report(place, {
    code: "MANIFEST_NAME_INVALID",
    key,
    problem: "it is not a feature name",
    found: shown(name),
    allowed: 'letters, digits, "_", "-", "." and "+"',
  });
  return false;
}

export const featureName: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  return value !== undefined && checkFeatureName(reading, node, key, value) ? value : undefined;
};

const REGISTRY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Name of a configured registry. */
export const registryName: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined || REGISTRY.test(value)) return value;
  reading.report(node, {
    code: "MANIFEST_NAME_INVALID",
    key,
    problem: "it is not the name of a registry",
    found: shown(value),
    allowed: 'letters, digits, "_", "-" and "."',
    hint: "Configure the URL under a name and write the name here",
  });
  return undefined;
};

const TARGET = /^!?[a-z0-9_*][a-z0-9_.*-]{0,127}$/;

export const targetName: ValueReader<string> = (reading, node, key) => {
  const value = text(reading, node, key);
  if (value === undefined || TARGET.test(value)) return value;
  reading.report(node, {
    code: "MANIFEST_VALUE_INVALID",
    key,
    problem: "it is not a target",
    found: shown(value),
    allowed: 'a target such as "x86_64-linux", a pattern such as "*-linux", or one with "!" in front',
  });
  return undefined;
};

// A leading dash would become an option of git; `transport::address` would make git run a helper program.
const GIT_URL =
  /^(?:(?:https?|ssh|git|file|git\+https?|git\+ssh|git\+file):\/\/\S+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[^\s-]\S*|\.{0,2}\/\S*|[A-Za-z0-9_][A-Za-z0-9_./ -]*)$/;
// oxlint-disable-next-line no-control-regex -- control characters are refused
const GIT_REF = /^(?!-)(?!.*\.\.)(?!.*@\{)[^\s~^:?*[\\\u0000-\u001F\u007F]+$/;

export function isGitUrl(value: string): boolean {
  return GIT_URL.test(value) && !value.includes("::");
}

export function isGitRef(value: string): boolean {
  return value.length <= 256 && GIT_REF.test(value);
}

export const gitUrl: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined || isGitUrl(value)) return value;
  reading.report(node, {
    code: "MANIFEST_URL_INVALID",
    key,
    problem: "it is not the address of a Git repository",
    found: shown(value),
    allowed: '"https://...", "ssh://...", "git@host:path" or a path',
  });
  return undefined;
};

export const gitRef: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined || isGitRef(value)) return value;
  reading.report(node, {
    code: "MANIFEST_VALUE_INVALID",
    key,
    problem: "it is not a Git reference",
    found: shown(value),
    allowed: 'a tag, branch or commit, without blanks, not starting with "-"',
  });
  return undefined;
};

/** A path of a directory, perhaps outside of the package. */
export const directoryPath: ValueReader<string> = (reading, node, key) => {
  const value = nonEmptyText(reading, node, key);
  if (value === undefined) return undefined;
  if (value.includes("\\")) {
    reading.report(node, {
      code: "MANIFEST_PATH_INVALID",
      key,
      problem: "it has a backslash",
      found: shown(value),
      allowed: 'a path with "/"',
    });
    return undefined;
  }
  if (value.startsWith("/") || /^[A-Za-z]:/.test(value)) {
    reading.report(node, {
      code: "MANIFEST_PATH_INVALID",
      key,
      severity: "warning",
      problem: "it is absolute, so it holds on this machine only",
      found: shown(value),
      allowed: "a relative path",
    });
  }
  return value;
};

/** `true` for `{ workspace = true }` and nothing else; `undefined` where the node is something else. */
export function isWorkspaceMark(node: LocatedNode): boolean {
  if (node.kind !== "table" || node.entries.size !== 1) return false;
  const mark = node.entries.get("workspace")?.node;
  return mark?.kind === "boolean" && mark.value === true;
}

/** A number from 0 to 1. */
export const rate: ValueReader<number> = (reading, node, key) => {
  if ((node.kind !== "integer" && node.kind !== "float") || typeof node.value !== "number")
    return wrongType(reading, node, key, "a number from 0 to 1");
  if (node.value >= 0 && node.value <= 1) return node.value;
  reading.report(node, {
    code: "MANIFEST_RATE_OUT_OF_RANGE",
    key,
    problem: "it is out of range",
    found: reading.source(node),
    allowed: "0 to 1",
  });
  return undefined;
};
