import { canonicalName, indexDocumentPath, tryParsePackageName } from "@lading/core-manifest";
import { tryDecodeHex } from "../bytes.ts";
import { isAllowedPublicKey } from "../ed25519.ts";
import { isNamePattern } from "../name-pattern.ts";
import { MetadataError } from "./metadata-error.ts";
import { formatExpiry, readDelegations } from "./metadata-file.ts";
import { metadataKeyOf, type MetadataKey } from "./metadata-key.ts";
import { matchesPathPattern } from "./paths.ts";
import { inputInvalid, keyMembers } from "./sign-metadata.ts";
import type { Json, JsonObject } from "./strict-json.ts";

/** Who may sign packages of some names, as the registry's targets role delegates it. */
export interface NameDelegation {
  /** A name (`company/tool`), or one whose last part has `*` for any run of characters: `company/*`, `gear-*`. */
  readonly pattern: string;
  /** 32-byte Ed25519 public keys, at least as many as `threshold`. */
  readonly keys: readonly Uint8Array[];
  /** How many different ones of them must sign. */
  readonly threshold: number;
  /** Versions published before, in milliseconds since the epoch, are not held to it. */
  readonly sinceMs: number;
  /** Keys that could sign what was published before a time, in milliseconds since the epoch. */
  readonly former: readonly { readonly key: Uint8Array; readonly untilMs: number }[];
}

/** Name of the member of the targets role's signed part: a DELEGATIONS object of TUF 1.0, beside the succinct one. */
const DELEGATIONS_MEMBER = "x-lading-publishers";
const SINCE_MEMBER = "x-lading-since";
const FORMER_MEMBER = "x-lading-former";

/** The PATHPATTERN of the index documents that a pattern over names means; `undefined` where it is no such pattern. */
function pathPatternOf(pattern: string): string | undefined {
  // Any letter stands for the stars while the rest is judged as a name.
  const whole = tryParsePackageName(pattern.replaceAll("*", "x"));
  const [last = "", ...before] = pattern.split("/").toReversed();
  if (whole === undefined || !isNamePattern(pattern) || before.some((part) => part.includes("*"))) return undefined;
  if (last.includes("**") || (last.match(/\*/g)?.length ?? 0) > 2) return undefined;
  if (!last.includes("*")) return indexDocumentPath(whole);
  const folded = last.replaceAll(/[_.]/g, "-");
  return `index/${before.length === 0 ? "_" : `@${before[0]!.replaceAll(/[_.]/g, "-")}`}/*/${folded}.json`;
}

function malformed(problem: string): MetadataError {
  return new MetadataError({
    code: "METADATA_MALFORMED",
    message: `Cannot read the metadata: "${DELEGATIONS_MEMBER}" ${problem}`,
  });
}

/**
 * Refuses a delegation that metadata cannot state.
 * @throws {MetadataError} `METADATA_INPUT_INVALID` for a pattern that is none, for keys that are none, for a threshold that
 * cannot be met
 */
export function checkNameDelegation({ pattern, keys, threshold }: NameDelegation): void {
  if (pathPatternOf(pattern) === undefined)
    throw inputInvalid(
      `"${pattern.slice(0, 100)}" is neither a package's name nor one whose last part has "*" for any run of characters`,
    );
  const different = new Set(keys.map((key) => metadataKeyOf(key).keyId));
  if (keys.some((key) => !isAllowedPublicKey(key))) throw inputInvalid(`a key for "${pattern}" is no public key`);
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > different.size)
    throw inputInvalid(`"${pattern}" needs ${threshold} of ${different.size} keys`);
}

function roleOf(delegation: NameDelegation): JsonObject {
  const { pattern, keys, threshold, sinceMs, former } = delegation;
  const ended = former.map(({ key, untilMs }) => [metadataKeyOf(key).keyId, formatExpiry(untilMs)] as const);
  return {
    keyids: [...new Set(keys.map((key) => metadataKeyOf(key).keyId))].sort(),
    name: pattern,
    paths: [pathPatternOf(pattern)!],
    terminating: true,
    threshold,
    [SINCE_MEMBER]: formatExpiry(sinceMs),
    ...(ended.length === 0 ? {} : { [FORMER_MEMBER]: Object.fromEntries(ended) }),
  };
}

/**
 * The more a pattern says the sooner it is asked, so that of two which match a name the nearer one decides. A star may stand
 * for nothing: where two say as much, a name comes before `*` of it.
 */
function byPriority({ pattern: left }: NameDelegation, { pattern: right }: NameDelegation): number {
  const [a, b] = [left, right].map((pattern) => pattern.replaceAll("*", "").length);
  // Of as many letters, the longer one has more stars.
  return b! - a! || left.length - right.length || (left < right ? -1 : 1);
}

/**
 * The member of the targets role's signed part; no members where nothing is delegated.
 * @throws {MetadataError} `METADATA_INPUT_INVALID` for a pattern that is none, for keys that are none, for a threshold that
 * cannot be met
 */
export function nameDelegationMembers(delegations: readonly NameDelegation[]): JsonObject {
  for (const delegation of delegations) checkNameDelegation(delegation);
  if (delegations.length === 0) return {};
  const all = delegations.flatMap(({ keys, former }) => [...keys, ...former.map(({ key }) => key)]);
  const keys = new Map(all.map((key) => [metadataKeyOf(key).keyId, metadataKeyOf(key)]));
  return {
    [DELEGATIONS_MEMBER]: {
      keys: keyMembers([...keys.values()]),
      roles: [...delegations].sort(byPriority).map(roleOf),
    },
  };
}

/** The same member as it was read, for a file that is written anew without a change of it. */
export function keptNameDelegations(signed: JsonObject): JsonObject {
  const value = signed[DELEGATIONS_MEMBER];
  return value === undefined ? {} : { [DELEGATIONS_MEMBER]: value };
}

function timeOf(value: Json | undefined): number {
  const timeMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(timeMs) && formatExpiry(timeMs) === value) return timeMs;
  throw malformed(`has no time like "2030-01-31T00:00:00Z" where one must be`);
}

function publicKeyOf(keys: ReadonlyMap<string, MetadataKey>, keyId: string): Uint8Array {
  const key = keys.get(keyId);
  const bytes = key?.keyType === "ed25519" ? tryDecodeHex(key.publicValue) : undefined;
  if (bytes !== undefined && isAllowedPublicKey(bytes)) return bytes;
  throw malformed(`names "${keyId.slice(0, 64)}", which is no Ed25519 key of it`);
}

/**
 * Who may sign packages, as the signed part of a targets file says; none where it says nothing.
 * @throws {MetadataError} `METADATA_MALFORMED`
 */
export function readNameDelegations(signed: JsonObject): readonly NameDelegation[] {
  const value = signed[DELEGATIONS_MEMBER];
  if (value === undefined) return [];
  const { keys, roles } = readDelegations(value);
  const raw = (value as JsonObject)["roles"] as readonly JsonObject[] | undefined;
  return roles.map(({ name, keyIds, threshold }, i) => {
    if (pathPatternOf(name) === undefined)
      throw malformed(`delegates "${name.slice(0, 100)}", which is no pattern of names`);
    const ended = raw![i]![FORMER_MEMBER] ?? {};
    if (typeof ended !== "object" || ended === null || Array.isArray(ended))
      throw malformed("has former keys that are no object");
    return {
      pattern: name,
      keys: keyIds.map((keyId) => publicKeyOf(keys, keyId)),
      threshold,
      sinceMs: timeOf(raw![i]![SINCE_MEMBER]),
      former: Object.entries(ended).map(([keyId, until]) => ({
        key: publicKeyOf(keys, keyId),
        untilMs: timeOf(until),
      })),
    };
  });
}

/** The delegation that decides about a package: the first that its name is meant by. */
export function nameDelegationFor(delegations: readonly NameDelegation[], name: string): NameDelegation | undefined {
  const parsed = tryParsePackageName(name);
  if (parsed === undefined) return undefined;
  const path = indexDocumentPath(canonicalName(parsed));
  return delegations.find(({ pattern }) => matchesPathPattern(pathPatternOf(pattern)!, path));
}
