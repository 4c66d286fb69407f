import { encodeUtf8, encodeHex } from "../bytes.ts";
import { checkPublicKey } from "../trust.ts";
import { portableVerifier, type Verifier } from "../signer.ts";
import { parseMetadata, renderMetadata, type RoleKeys, type RoleType } from "./metadata-file.ts";
import { metadataKeyOf, type MetadataKey } from "./metadata-key.ts";
import { commonMembers, inputInvalid, keyMembers, roleMember } from "./sign-metadata.ts";
import { encodeTufCanonical, type JsonObject } from "./strict-json.ts";
import { countSignatures, type SigningParty } from "./threshold.ts";
import type { RootFile } from "./workflow.ts";

/** The keys of one role. */
export interface RoleAssignment {
  /** 32-byte Ed25519 public keys, each once. */
  readonly keys: readonly Uint8Array[];
  /** How many of them must sign; 1 unless given. */
  readonly threshold?: number;
}

/** Who may sign what. */
export type RootRoles = Readonly<Record<RoleType, RoleAssignment>>;

/** What {@link createRoot} needs. */
export interface CreateRootOptions {
  readonly roles: RootRoles;
  /** Milliseconds since the epoch. */
  readonly expiresMs: number;
  /** Marks a root that a server made by itself on its first start; clients show it. */
  readonly development?: boolean;
}

const ROLES = ["root", "timestamp", "snapshot", "targets"] as const;
const DEVELOPMENT = "x-lading-development";

interface Assigned {
  readonly keys: readonly MetadataKey[];
  readonly role: RoleKeys;
}

function assign(name: RoleType, { keys, threshold = 1 }: RoleAssignment): Assigned {
  for (const key of keys) checkPublicKey(key);
  const different = [...new Map(keys.map((key) => [encodeHex(key), metadataKeyOf(key)])).values()];
  if (different.length !== keys.length) throw inputInvalid(`role "${name}" is given a key twice`);
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.length) {
    throw inputInvalid(`role "${name}" has ${keys.length} keys and the threshold ${threshold}`);
  }
  return { keys: different, role: { keyIds: different.map(({ keyId }) => keyId).sort(), threshold } };
}

function unsigned(body: JsonObject): Uint8Array {
  return renderMetadata(encodeUtf8(encodeTufCanonical(body)), []);
}

function rootBody(version: number, { roles, expiresMs, development }: CreateRootOptions): JsonObject {
  const assigned = ROLES.map((name) => [name, assign(name, roles[name])] as const);
  return {
    ...commonMembers("root", version, expiresMs),
    consistent_snapshot: true,
    keys: keyMembers(assigned.flatMap(([, { keys }]) => keys)),
    roles: Object.fromEntries(assigned.map(([name, { role }]) => [name, roleMember(role)])),
    ...(development === true ? { [DEVELOPMENT]: true } : {}),
  };
}

/**
 * The first root, version 1, without signatures: sign it with `signMetadata`, on as many machines as it takes, and
 * put the copies together with `combineMetadata`.
 * @throws {MetadataError} `METADATA_INPUT_INVALID`
 * @throws {SigningError} `KEY_INVALID` for a key that cannot be one
 */
export function createRoot(options: CreateRootOptions): Uint8Array {
  return unsigned(rootBody(1, options));
}

/**
 * The root after a given one, without signatures. It needs the thresholds of both. What is not given stays: the keys of
 * roles that are not named (of any type), and members that are not known. The mark of development goes unless asked for.
 * @throws {MetadataError} `METADATA_INPUT_INVALID`, and those of reading the previous root
 */
export function nextRoot(
  previous: Uint8Array,
  change: {
    readonly roles?: Partial<RootRoles>;
    readonly expiresMs: number;
    readonly development?: boolean;
  },
): Uint8Array {
  const { body } = parseMetadata(previous, "root");
  const assigned = ROLES.map((name): readonly [RoleType, Assigned] => {
    const given = change.roles?.[name];
    if (given !== undefined) return [name, assign(name, given)];
    const role = body.roles[name];
    return [name, { role, keys: role.keyIds.flatMap((keyId) => body.keys.get(keyId) ?? []) }];
  });
  const { [DEVELOPMENT]: _mark, ...kept } = body.raw;
  return unsigned({
    ...kept,
    ...commonMembers("root", body.version + 1, change.expiresMs),
    keys: keyMembers(assigned.flatMap(([, { keys }]) => keys)),
    roles: Object.fromEntries(
      assigned.map(([name, { role }]) => [
        name,
        { ...((body.raw["roles"] as JsonObject)[name] as JsonObject), ...roleMember(role) },
      ]),
    ),
    ...(change.development === true ? { [DEVELOPMENT]: true } : {}),
  });
}

/** How far a root is signed, by one party. */
export interface SigningProgress {
  /** Whose signatures are needed: the keys of the root before, or its own. */
  readonly by: "previous root" | "new root";
  readonly threshold: number;
  /** Key ids whose signature is there and holds. */
  readonly signed: readonly string[];
  /** Key ids that could still sign. */
  readonly missing: readonly string[];
  /** Key ids whose signature is there and does not hold. */
  readonly broken: readonly string[];
}

/** How far a root is signed. */
export interface RootStatus {
  readonly version: number;
  /** Whether every client that trusts the root before will accept it. */
  readonly complete: boolean;
  readonly progress: readonly SigningProgress[];
}

function progressOf(
  by: SigningProgress["by"],
  file: RootFile,
  party: SigningParty,
  verifier: Verifier,
): SigningProgress {
  const { valid, broken } = countSignatures(file, party, verifier);
  const missing = party.role.keyIds.filter((keyId) => !valid.includes(keyId));
  return { by, threshold: party.role.threshold, signed: valid, missing, broken };
}

/**
 * How far a root is signed, and by whom it still can be.
 * @param previous the root before; needed from version 2 on
 * @throws {MetadataError} `METADATA_INPUT_INVALID` when the versions do not follow each other, and those of reading
 */
export function rootStatus(
  bytes: Uint8Array,
  previous?: Uint8Array,
  verifier: Verifier = portableVerifier,
): RootStatus {
  const file = parseMetadata(bytes, "root");
  const before = previous === undefined ? undefined : parseMetadata(previous, "root");
  if (file.body.version !== (before?.body.version ?? 0) + 1) {
    throw inputInvalid(`root ${file.body.version} does not follow ${before?.body.version ?? "nothing"}`);
  }
  const party = ({ body }: RootFile): SigningParty => ({ role: body.roles.root, keys: body.keys });
  const progress = [
    ...(before === undefined ? [] : [progressOf("previous root", file, party(before), verifier)]),
    progressOf("new root", file, party(file), verifier),
  ];
  const complete = progress.every(({ signed, threshold, broken }) => signed.length >= threshold && broken.length === 0);
  return { version: file.body.version, complete, progress };
}
