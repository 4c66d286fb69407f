import { encodeHex } from "../bytes.ts";
import { portableDigests, type DigestFunctions } from "../digests.ts";
import type { Verifier } from "../signer.ts";
import { MetadataError, type MetadataErrorCode } from "./metadata-error.ts";
import {
  ROLE_MEMBER,
  formatExpiry,
  parseMetadata,
  type MetaFile,
  type MetadataFile,
  type MetadataForm,
  type RootBody,
  type SnapshotBody,
  type TargetFile,
  type TargetsBody,
  type TimestampBody,
} from "./metadata-file.ts";
import { checkEverySignature, countSignatures, type SigningParty } from "./threshold.ts";

export type RootFile = MetadataFile<RootBody>;
export type TimestampFile = MetadataFile<TimestampBody>;
export type SnapshotFile = MetadataFile<SnapshotBody>;
export type TargetsFile = MetadataFile<TargetsBody>;

/** How files are read and signatures checked. */
export interface Rules {
  readonly verifier: Verifier;
  readonly digests: DigestFunctions;
  readonly form: MetadataForm;
}

function refuse(code: MetadataErrorCode, file: string, problem: string, details: object = {}): MetadataError {
  return new MetadataError({ code, message: `Cannot trust "${file}": ${problem}`, file, ...details });
}

function partyOf(root: RootFile, role: keyof RootBody["roles"]): SigningParty {
  return { role: root.body.roles[role], keys: root.body.keys };
}

function checkSigned(name: string, file: MetadataFile, party: SigningParty, { verifier, form }: Rules): void {
  const count = countSignatures(file, party, verifier);
  if (count.valid.length < party.role.threshold) {
    throw refuse("METADATA_UNTRUSTED", name, `it is not signed by ${party.role.threshold} of its role's keys`);
  }
  if (form === "exact") checkEverySignature(name, file, [count]);
}

/**
 * The freeze check (TUF 1.0 §5.3.10, §5.4.4, §5.5.6, §5.6.5): the expiry must be later than the start of the update.
 * @throws {MetadataError} `METADATA_EXPIRED`
 */
export function checkNotExpired(name: string, file: MetadataFile, nowMs: number): void {
  if (file.body.expiresMs > nowMs) return;
  const expiry = formatExpiry(file.body.expiresMs);
  throw refuse("METADATA_EXPIRED", name, `it expired at ${expiry}, and it is ${formatExpiry(nowMs)}`, {
    expires: expiry,
  });
}

/**
 * Reads the root that trust starts from (TUF 1.0 §5.2): its own keys must have signed it.
 * @throws {MetadataError} `METADATA_ROOT_UNTRUSTED` and those of reading
 */
export function readTrustedRoot(bytes: Uint8Array, { verifier, form }: Rules): RootFile {
  const root = parseMetadata(bytes, "root", form);
  const party = partyOf(root, "root");
  if (countSignatures(root, party, verifier).valid.length >= party.role.threshold) return root;
  throw refuse("METADATA_ROOT_UNTRUSTED", "root.json", "it is not signed by enough of its own keys");
}

/**
 * Verifies version N+1 of the root (TUF 1.0 §5.3.4, §5.3.5).
 * @throws {MetadataError} `METADATA_ROOT_UNTRUSTED` (arbitrary software), `METADATA_ROOT_NOT_NEXT` (rollback)
 */
export function verifyNextRoot(trusted: RootFile, bytes: Uint8Array, rules: Rules): RootFile {
  const next = parseMetadata(bytes, "root", rules.form);
  const name = `${trusted.body.version + 1}.root.json`;
  const parties = [partyOf(trusted, "root"), partyOf(next, "root")];
  const counts = parties.map((party) => countSignatures(next, party, rules.verifier));
  const [oldHolds, newHolds] = counts.map(({ valid }, i) => valid.length >= parties[i]!.role.threshold);
  if (oldHolds !== true) {
    throw refuse("METADATA_ROOT_UNTRUSTED", name, "it is not signed by enough keys of the root before it");
  }
  if (newHolds !== true) throw refuse("METADATA_ROOT_UNTRUSTED", name, "it is not signed by enough of its own keys");
  if (rules.form === "exact") checkEverySignature(name, next, counts);
  if (next.body.version !== trusted.body.version + 1) {
    throw refuse("METADATA_ROOT_NOT_NEXT", name, `its version is ${next.body.version}`);
  }
  return next;
}

function sameKeys(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((keyId) => right.includes(keyId));
}

/** Whether timestamp or snapshot keys differ, upon which trusted files of both are dropped (TUF 1.0 §5.3.11). */
export function rotatesOnlineKeys(before: RootFile, after: RootFile): boolean {
  return (["timestamp", "snapshot"] as const).some(
    (role) => !sameKeys(before.body.roles[role].keyIds, after.body.roles[role].keyIds),
  );
}

/** A file that is here already: its signatures alone say whether it is still of use for comparison. */
export function readLocalTimestamp(bytes: Uint8Array, root: RootFile, rules: Rules): TimestampFile {
  const file = parseMetadata(bytes, "timestamp", rules.form);
  checkSigned("timestamp.json", file, partyOf(root, "timestamp"), rules);
  return file;
}

/**
 * Verifies a timestamp (TUF 1.0 §5.4): signatures, rollback of it and of the snapshot it names, freeze.
 * @param trusted the one seen last, where there is one
 * @returns `undefined` where its version is that of the trusted one, which then stays
 * @throws {MetadataError} `METADATA_UNTRUSTED`, `METADATA_ROLLBACK`, `METADATA_EXPIRED`
 */
export function verifyTimestamp(
  bytes: Uint8Array,
  root: RootFile,
  trusted: TimestampFile | undefined,
  nowMs: number,
  rules: Rules,
): TimestampFile | undefined {
  const file = readLocalTimestamp(bytes, root, rules);
  const [version, before] = [file.body.version, trusted?.body.version ?? 0];
  if (version < before) {
    throw refuse("METADATA_ROLLBACK", "timestamp.json", `its version is ${version}, seen before was ${before}`);
  }
  if (version === before) return undefined;
  const [snapshot, known] = [file.body.snapshot.version, trusted?.body.snapshot.version ?? 0];
  if (snapshot < known) {
    const problem = `it names version ${snapshot} of the snapshot, seen before was ${known}`;
    throw refuse("METADATA_ROLLBACK", "timestamp.json", problem);
  }
  checkNotExpired("timestamp.json", file, nowMs);
  return file;
}

/** Compares with every stated digest of a known algorithm; `undefined` when all agree, and there is one. */
function digestProblem(
  bytes: Uint8Array,
  hashes: Readonly<Record<string, string>>,
  digests: DigestFunctions,
): string | undefined {
  const known = Object.entries(hashes).filter(([name]) => Object.hasOwn(digests, name));
  if (known.length === 0) return `none of its digests is of a known algorithm: ${Object.keys(hashes).join(", ")}`;
  for (const [name, stated] of known) {
    const found = encodeHex(digests[name as keyof DigestFunctions](bytes));
    if (found !== stated) return `its ${name} is "${found}", stated is "${stated.slice(0, 128)}"`;
  }
  return undefined;
}

/** @throws {MetadataError} `METADATA_LENGTH_MISMATCH`, `METADATA_DIGEST_MISMATCH` */
function checkMeta(name: string, bytes: Uint8Array, meta: MetaFile, { digests }: Rules): void {
  if (meta.length !== undefined && meta.length !== bytes.length) {
    throw refuse("METADATA_LENGTH_MISMATCH", name, `it has ${bytes.length} bytes, stated are ${meta.length}`);
  }
  const problem = meta.hashes && digestProblem(bytes, meta.hashes, digests);
  if (problem !== undefined) throw refuse("METADATA_DIGEST_MISMATCH", name, problem);
}

function checkVersion(name: string, file: MetadataFile, meta: MetaFile): void {
  if (file.body.version === meta.version) return;
  throw refuse(
    "METADATA_VERSION_MISMATCH",
    name,
    `its version is ${file.body.version}, the file above it states ${meta.version}`,
  );
}

function checkNoRollback(name: string, next: SnapshotFile, trusted: SnapshotFile): void {
  for (const [file, { version }] of trusted.body.meta) {
    const meta = next.body.meta.get(file);
    if (meta === undefined) throw refuse("METADATA_ROLE_REMOVED", name, `it no longer lists "${file}"`);
    if (meta.version < version) {
      const problem = `it names version ${meta.version} of "${file}", seen before was ${version}`;
      throw refuse("METADATA_ROLLBACK", name, problem);
    }
  }
}

/** A snapshot that is here already: for comparison whatever its age, and in use where the timestamp names it. */
export function readLocalSnapshot(bytes: Uint8Array, root: RootFile, rules: Rules): SnapshotFile {
  const file = parseMetadata(bytes, "snapshot", rules.form);
  checkSigned("snapshot.json", file, partyOf(root, "snapshot"), rules);
  return file;
}

/**
 * Verifies a snapshot (TUF 1.0 §5.5): digest, signatures, version, rollback of any file that it lists, freeze.
 * @param trusted the one seen last, where there is one
 * @throws {MetadataError} `METADATA_LENGTH_MISMATCH`, `METADATA_DIGEST_MISMATCH`, `METADATA_UNTRUSTED`,
 * `METADATA_VERSION_MISMATCH`, `METADATA_ROLLBACK`, `METADATA_ROLE_REMOVED`, `METADATA_EXPIRED`
 */
export function verifySnapshot(
  bytes: Uint8Array,
  above: { readonly root: RootFile; readonly timestamp: TimestampFile },
  trusted: SnapshotFile | undefined,
  nowMs: number,
  rules: Rules,
): SnapshotFile {
  const meta = above.timestamp.body.snapshot;
  checkMeta("snapshot.json", bytes, meta, rules);
  const file = readLocalSnapshot(bytes, above.root, rules);
  checkVersion("snapshot.json", file, meta);
  if (trusted !== undefined) checkNoRollback("snapshot.json", file, trusted);
  checkNotExpired("snapshot.json", file, nowMs);
  return file;
}

/** The keys and threshold that a root or targets role gives to a targets role; `undefined` where it gives none. */
export function targetsParty(delegator: RootFile | TargetsFile, role: string): SigningParty | undefined {
  const { body } = delegator;
  if (body.type === "root") return role === "targets" ? partyOf(delegator as RootFile, "targets") : undefined;
  const { delegations } = body;
  const found = delegations?.succinct ?? delegations?.roles.find(({ name }) => name === role);
  return found === undefined ? undefined : { role: found, keys: delegations!.keys };
}

/** What the snapshot states of a targets role. @throws {MetadataError} `METADATA_MISSING` */
export function metaOf(snapshot: SnapshotFile, role: string): MetaFile {
  const meta = snapshot.body.meta.get(`${role}.json`);
  if (meta !== undefined) return meta;
  throw refuse("METADATA_MISSING", `${role}.json`, "the snapshot does not list it");
}

/** TUF has versions alone tell bins apart, which share keys and versions; the exact form states the role in the file. */
function checkRoleName(name: string, role: string, file: TargetsFile): void {
  const stated = file.body.raw[ROLE_MEMBER];
  if (stated === role) return;
  throw refuse(
    "METADATA_ROLE_WRONG",
    name,
    `it states the role ${stated === undefined ? "of none" : JSON.stringify(stated).slice(0, 100)}`,
  );
}

/**
 * Verifies the targets file of a role (TUF 1.0 §5.6.2 to §5.6.5): digest, signatures, version, freeze.
 * @throws {MetadataError} `METADATA_LENGTH_MISMATCH`, `METADATA_DIGEST_MISMATCH`, `METADATA_UNTRUSTED`,
 * `METADATA_VERSION_MISMATCH`, `METADATA_EXPIRED`
 */
export function verifyTargets(
  bytes: Uint8Array,
  role: string,
  above: { readonly delegator: RootFile | TargetsFile; readonly snapshot: SnapshotFile },
  nowMs: number,
  rules: Rules,
): TargetsFile {
  const name = `${role}.json`;
  const [meta, party] = [metaOf(above.snapshot, role), targetsParty(above.delegator, role)];
  checkMeta(name, bytes, meta, rules);
  const file = parseMetadata(bytes, "targets", rules.form);
  if (party === undefined) throw refuse("METADATA_UNTRUSTED", name, "nothing delegates to it");
  checkSigned(name, file, party, rules);
  if (rules.form === "exact" && above.delegator.body.type !== "root") checkRoleName(name, role, file);
  checkVersion(name, file, meta);
  checkNotExpired(name, file, nowMs);
  return file;
}

/**
 * Compares a downloaded file with what signed metadata states of it (TUF 1.0 §5.7.3).
 * @throws {MetadataError} `TARGET_TOO_LARGE` (endless data), `TARGET_LENGTH_MISMATCH`, `TARGET_DIGEST_MISMATCH`
 */
export function checkTarget(target: TargetFile, bytes: Uint8Array, digests: DigestFunctions = portableDigests): void {
  const fail = (code: MetadataErrorCode, problem: string): MetadataError => {
    return new MetadataError({ code, message: `Cannot use the file "${target.path}": ${problem}`, path: target.path });
  };
  const [found, stated] = [bytes.length, target.length];
  if (found > stated) throw fail("TARGET_TOO_LARGE", `it has more than the ${stated} bytes that are stated`);
  if (found < stated) throw fail("TARGET_LENGTH_MISMATCH", `it has ${found} bytes, stated are ${stated}`);
  const problem = digestProblem(bytes, target.hashes, digests);
  if (problem !== undefined) throw fail("TARGET_DIGEST_MISMATCH", problem);
}
