import { concatBytes, decodeUtf8, encodeUtf8, tryDecodeHex } from "../bytes.ts";
import { MetadataError } from "./metadata-error.ts";
import { readMetadataKey, type MetadataKey } from "./metadata-key.ts";
import { encodeTufCanonical, parseCanonicalJson, parseStrictJson, type Json, type JsonObject } from "./strict-json.ts";

/** The four top-level roles; delegated ones are of type `targets`. */
export type RoleType = "root" | "timestamp" | "snapshot" | "targets";

/** A signature of a metadata file. */
export interface MetadataSignature {
  readonly keyId: string;
  /** `undefined` where it is not lower-case hexadecimal: such a one counts for nothing. */
  readonly signature: Uint8Array | undefined;
  readonly raw: JsonObject;
}

/** Whose signatures a role needs, and how many different ones. */
export interface RoleKeys {
  readonly keyIds: readonly string[];
  readonly threshold: number;
}

/** What is stated of another metadata file. */
export interface MetaFile {
  readonly version: number;
  /** Bytes, where stated. */
  readonly length?: number;
  /** By algorithm, in lower-case hexadecimal, where stated. */
  readonly hashes?: Readonly<Record<string, string>>;
}

/** What is stated of a target file. */
export interface TargetFile {
  readonly path: string;
  /** Bytes. */
  readonly length: number;
  /** By algorithm (`sha256`, `sha512`), in lower-case hexadecimal. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly custom?: JsonObject;
}

/** A delegation to one role. */
export interface DelegatedRole extends RoleKeys {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths?: readonly string[];
  readonly pathHashPrefixes?: readonly string[];
}

/** A delegation of every path to `2 ** bitLength` roles by the first bits of its digest (TAP 15). */
export interface SuccinctRoles extends RoleKeys {
  /** 1 to 32. */
  readonly bitLength: number;
  readonly namePrefix: string;
}

/** Keys and roles that a targets role delegates to. */
export interface Delegations {
  readonly keys: ReadonlyMap<string, MetadataKey>;
  readonly roles: readonly DelegatedRole[];
  readonly succinct?: SuccinctRoles;
}

/**
 * Member of a delegated role's signed part with the role's name. All bins have the same keys and many the same version, so
 * that without it one could be served for another, to hide what is in it.
 */
export const ROLE_MEMBER = "x-lading-role";

interface Common {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly expiresMs: number;
  readonly specVersion: string;
  /** The signed part as read, unknown members included. */
  readonly raw: JsonObject;
}

export interface RootBody extends Common {
  readonly type: "root";
  readonly consistentSnapshot: boolean;
  readonly keys: ReadonlyMap<string, MetadataKey>;
  readonly roles: Readonly<Record<RoleType, RoleKeys>>;
}
export interface TimestampBody extends Common {
  readonly type: "timestamp";
  readonly snapshot: MetaFile;
}
export interface SnapshotBody extends Common {
  readonly type: "snapshot";
  /** By file name: `targets.json`, `bins-0f.json`. */
  readonly meta: ReadonlyMap<string, MetaFile>;
}
export interface TargetsBody extends Common {
  readonly type: "targets";
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations?: Delegations;
}
export type MetadataBody = RootBody | TimestampBody | SnapshotBody | TargetsBody;

/** A metadata file that was read. Nothing in it is verified yet. */
export interface MetadataFile<Body extends MetadataBody = MetadataBody> {
  readonly body: Body;
  readonly signatures: readonly MetadataSignature[];
  /** The bytes that are signed: the body's canonical form. */
  readonly message: Uint8Array;
  /** The whole file as read. */
  readonly bytes: Uint8Array;
}

/**
 * Which spellings of a file are read. `exact`: only the canonical one, so that every bit counts; it is how Lading's
 * registries write. `any`: whatever is good JSON, as TUF allows.
 */
export type MetadataForm = "exact" | "any";

function malformed(problem: string): MetadataError {
  return new MetadataError({ code: "METADATA_MALFORMED", message: `Cannot read the metadata: ${problem}` });
}

function asObject(value: Json | undefined, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  return value as JsonObject;
}

function asArray(value: Json | undefined, what: string): readonly Json[] {
  if (!Array.isArray(value)) throw malformed(`${what} is not an array`);
  return value as readonly Json[];
}

function asText(value: Json | undefined, what: string): string {
  if (typeof value !== "string") throw malformed(`${what} is not a text`);
  return value;
}

function asInteger(value: Json | undefined, minimum: number, what: string): number {
  if (typeof value !== "number" || value < minimum) throw malformed(`${what} is not an integer from ${minimum}`);
  return value;
}

function asTexts(value: Json | undefined, what: string): string[] {
  return asArray(value, what).map((item) => asText(item, `an item of ${what}`));
}

/** RFC 3339 in UTC, whole seconds, as TUF 1.0 §4.2 has it. */
function asTime(value: Json | undefined, what: string): number {
  const text = asText(value, what);
  const timeMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : Number.NaN;
  // The round trip refuses days like 31 February, which some parsers move into March.
  if (Number.isNaN(timeMs) || formatExpiry(timeMs) !== text) {
    throw malformed(`${what} is "${text.slice(0, 40)}", expected a time like "2030-01-31T00:00:00Z"`);
  }
  return timeMs;
}

/** A time as metadata writes it: UTC, whole seconds. */
export function formatExpiry(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

function readHashes(value: Json | undefined, what: string): Readonly<Record<string, string>> {
  const hashes = asObject(value, what);
  const names = Object.keys(hashes);
  if (names.length === 0) throw malformed(`${what} is empty`);
  for (const name of names) asText(hashes[name], what);
  return hashes as Readonly<Record<string, string>>;
}

function readMeta(value: Json | undefined, what: string): MetaFile {
  const meta = asObject(value, what);
  return {
    version: asInteger(meta["version"], 1, `"version" of ${what}`),
    ...(meta["length"] === undefined ? {} : { length: asInteger(meta["length"], 1, `"length" of ${what}`) }),
    ...(meta["hashes"] === undefined ? {} : { hashes: readHashes(meta["hashes"], `"hashes" of ${what}`) }),
  };
}

function readRoleKeys(value: JsonObject, what: string): RoleKeys {
  const keyIds = asTexts(value["keyids"], `"keyids" of ${what}`);
  if (new Set(keyIds).size !== keyIds.length) throw malformed(`"keyids" of ${what} has a key twice`);
  return { keyIds, threshold: asInteger(value["threshold"], 1, `"threshold" of ${what}`) };
}

function readKeys(value: Json | undefined, what: string): Map<string, MetadataKey> {
  const keys = Object.entries(asObject(value, what));
  return new Map(keys.map(([keyId, raw]) => [keyId, readMetadataKey(keyId, asObject(raw, `key "${keyId}"`))]));
}

function readCommon(signed: JsonObject): Common {
  const specVersion = asText(signed["spec_version"], `"spec_version"`);
  if (!/^1\.\d{1,9}(\.\d{1,9})?$/.test(specVersion)) {
    throw new MetadataError({
      code: "METADATA_UNSUPPORTED",
      message: `Cannot read the metadata: its TUF version is "${specVersion.slice(0, 40)}", supported is "1"`,
    });
  }
  return {
    specVersion,
    version: asInteger(signed["version"], 1, `"version"`),
    expiresMs: asTime(signed["expires"], `"expires"`),
    raw: signed,
  };
}

function readRoot(signed: JsonObject): RootBody {
  const roles = asObject(signed["roles"], `"roles"`);
  const role = (name: RoleType): RoleKeys => readRoleKeys(asObject(roles[name], `role "${name}"`), `role "${name}"`);
  const consistent = signed["consistent_snapshot"] ?? false;
  if (typeof consistent !== "boolean") throw malformed(`"consistent_snapshot" is neither true nor false`);
  return {
    ...readCommon(signed),
    type: "root",
    consistentSnapshot: consistent,
    keys: readKeys(signed["keys"], `"keys"`),
    roles: { root: role("root"), timestamp: role("timestamp"), snapshot: role("snapshot"), targets: role("targets") },
  };
}

function readTimestamp(signed: JsonObject): TimestampBody {
  const meta = asObject(signed["meta"], `"meta"`);
  return {
    ...readCommon(signed),
    type: "timestamp",
    snapshot: readMeta(meta["snapshot.json"], `"snapshot.json"`),
  };
}

function readSnapshot(signed: JsonObject): SnapshotBody {
  const meta = Object.entries(asObject(signed["meta"], `"meta"`));
  const files = new Map(meta.map(([name, value]) => [name, readMeta(value, `"${name}"`)]));
  if (!files.has("targets.json")) throw malformed(`"meta" does not list "targets.json"`);
  return { ...readCommon(signed), type: "snapshot", meta: files };
}

function readTarget(path: string, value: Json): TargetFile {
  const target = asObject(value, `target "${path}"`);
  return {
    path,
    length: asInteger(target["length"], 0, `"length" of target "${path}"`),
    hashes: readHashes(target["hashes"], `"hashes" of target "${path}"`),
    ...(target["custom"] === undefined ? {} : { custom: asObject(target["custom"], `"custom" of target "${path}"`) }),
  };
}

const TOP_LEVEL = new Set(["root", "timestamp", "snapshot", "targets"]);

function readDelegatedRole(value: Json): DelegatedRole {
  const role = asObject(value, "a delegated role");
  const name = asText(role["name"], `"name" of a delegated role`);
  // A delegation must not stand in for the roles that the root alone assigns.
  if (name === "" || TOP_LEVEL.has(name)) throw malformed(`a delegated role has the name "${name}"`);
  const [paths, prefixes] = [role["paths"], role["path_hash_prefixes"]];
  if (paths !== undefined && prefixes !== undefined) {
    throw malformed(`delegated role "${name}" has both "paths" and "path_hash_prefixes"`);
  }
  const terminating = role["terminating"] ?? false;
  if (typeof terminating !== "boolean") throw malformed(`"terminating" of role "${name}" is neither true nor false`);
  return {
    ...readRoleKeys(role, `role "${name}"`),
    name,
    terminating,
    ...(paths === undefined ? {} : { paths: asTexts(paths, `"paths" of role "${name}"`) }),
    ...(prefixes === undefined ? {} : { pathHashPrefixes: asTexts(prefixes, `"path_hash_prefixes" of "${name}"`) }),
  };
}

function readSuccinct(value: Json): SuccinctRoles {
  const roles = asObject(value, `"succinct_roles"`);
  const bitLength = asInteger(roles["bit_length"], 1, `"bit_length"`);
  if (bitLength > 32) throw malformed(`"bit_length" is ${bitLength}, allowed are 1 to 32`);
  const namePrefix = asText(roles["name_prefix"], `"name_prefix"`);
  if (namePrefix === "") throw malformed(`"name_prefix" is empty`);
  return { ...readRoleKeys(roles, `"succinct_roles"`), bitLength, namePrefix };
}

/** Reads a DELEGATIONS object (TUF 1.0 §4.5). @throws {MetadataError} `METADATA_MALFORMED`, `METADATA_KEY_INVALID` */
export function readDelegations(value: Json): Delegations {
  const delegations = asObject(value, `"delegations"`);
  const [roles, succinct] = [delegations["roles"], delegations["succinct_roles"]];
  if ((roles === undefined) === (succinct === undefined)) {
    throw malformed(`"delegations" needs exactly one of "roles" and "succinct_roles"`);
  }
  const read = roles === undefined ? [] : asArray(roles, `"roles"`).map(readDelegatedRole);
  const names = new Set(read.map(({ name }) => name));
  if (names.size !== read.length) throw malformed(`"delegations" has a role name twice`);
  return {
    keys: readKeys(delegations["keys"], `"keys" of "delegations"`),
    roles: read,
    ...(succinct === undefined ? {} : { succinct: readSuccinct(succinct) }),
  };
}

function readTargets(signed: JsonObject): TargetsBody {
  const targets = Object.entries(asObject(signed["targets"], `"targets"`));
  return {
    ...readCommon(signed),
    type: "targets",
    targets: new Map(targets.map(([path, value]) => [path, readTarget(path, value)])),
    ...(signed["delegations"] === undefined ? {} : { delegations: readDelegations(signed["delegations"]) }),
  };
}

const READERS = { root: readRoot, timestamp: readTimestamp, snapshot: readSnapshot, targets: readTargets } as const;

function readSignatures(value: Json | undefined): MetadataSignature[] {
  const signatures = asArray(value, `"signatures"`).map((item) => {
    const raw = asObject(item, "a signature");
    const keyId = asText(raw["keyid"], `"keyid" of a signature`);
    return { keyId, signature: tryDecodeHex(asText(raw["sig"], `"sig" of a signature`)), raw };
  });
  // TUF 1.0 §4.2: not allowed, even where the threshold is met without; else a key could be counted twice.
  if (new Set(signatures.map(({ keyId }) => keyId)).size !== signatures.length) {
    throw malformed("two signatures have the same key id");
  }
  return signatures;
}

function checkType(signed: JsonObject, type: RoleType): void {
  const found = asText(signed["_type"], `"_type"`);
  if (found === type) return;
  throw new MetadataError({
    code: "METADATA_ROLE_WRONG",
    message: `Cannot read the metadata: it is of the role "${found.slice(0, 40)}", expected "${type}"`,
  });
}

function notExact(): MetadataError {
  return new MetadataError({
    code: "METADATA_NOT_EXACT",
    message: "Cannot read the metadata: it is not in its byte-exact form",
  });
}

function checkNothingSpare(file: JsonObject): void {
  const signatures = asArray(file["signatures"], `"signatures"`);
  const spare = signatures.some((item) => Object.keys(asObject(item, "a signature")).length !== 2);
  // Members outside the signed part are nobody's word.
  if (spare || Object.keys(file).length !== 2) throw notExact();
}

/** The file's value and the canonical bytes of its signed part. */
function readFile(bytes: Uint8Array, form: MetadataForm): { readonly file: JsonObject; readonly message: Uint8Array } {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw malformed("it is not UTF-8");
  if (form === "any") {
    const file = asObject(parseStrictJson(text), "the file");
    return { file, message: encodeUtf8(encodeTufCanonical(asObject(file["signed"], `"signed"`))) };
  }
  const value = parseCanonicalJson(text);
  if (value === undefined) throw notExact();
  const file = asObject(value, "the file");
  checkNothingSpare(file);
  const before = encodeUtf8(`{"signatures":${encodeTufCanonical(file["signatures"]!)},"signed":`);
  return { file, message: bytes.subarray(before.length, -1) };
}

/**
 * Reads a metadata file of one role strictly: each member once, integers of at most 2^53 - 1, times in UTC, keys under
 * their right ids. Unknown members are kept, and are signed like the others. **Nothing is verified.**
 * @throws {MetadataError} `METADATA_MALFORMED`, `METADATA_NOT_EXACT`, `METADATA_ROLE_WRONG`, `METADATA_UNSUPPORTED`,
 * `METADATA_KEY_INVALID`
 */
export function parseMetadata<Type extends RoleType>(
  bytes: Uint8Array,
  type: Type,
  form: MetadataForm = "exact",
): MetadataFile<Extract<MetadataBody, { type: Type }>> {
  const { file, message } = readFile(bytes, form);
  const signed = asObject(file["signed"], `"signed"`);
  checkType(signed, type);
  const signatures = readSignatures(file["signatures"]);
  const body = READERS[type](signed) as Extract<MetadataBody, { type: Type }>;
  return { body, signatures, message, bytes };
}

/** The byte-exact form of a file: its signed part as given, with signatures in the order given. */
export function renderMetadata(message: Uint8Array, signatures: readonly MetadataSignature[]): Uint8Array {
  const list = encodeTufCanonical(signatures.map(({ raw }) => raw));
  return concatBytes(encodeUtf8(`{"signatures":${list},"signed":`), message, encodeUtf8("}"));
}
