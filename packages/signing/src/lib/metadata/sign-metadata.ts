import { encodeUtf8, encodeHex, equalBytes } from "../bytes.ts";
import { portableVerifier, type Signer, type Verifier } from "../signer.ts";
import { MetadataError } from "./metadata-error.ts";
import {
  formatExpiry,
  parseMetadata,
  renderMetadata,
  type MetadataFile,
  type MetadataSignature,
  type RoleKeys,
  type RoleType,
} from "./metadata-file.ts";
import { metadataKeyOf, type MetadataKey } from "./metadata-key.ts";
import { encodeTufCanonical, type JsonObject } from "./strict-json.ts";

/** `spec_version` of what this package writes. */
export const TUF_VERSION = "1.0.31";

export function inputInvalid(problem: string): MetadataError {
  return new MetadataError({ code: "METADATA_INPUT_INVALID", message: `Cannot make registry metadata: ${problem}` });
}

/** The members that every signed part has. */
export function commonMembers(type: RoleType, version: number, expiresMs: number): JsonObject {
  if (!Number.isSafeInteger(version) || version < 1) throw inputInvalid(`version ${version} is no whole number from 1`);
  // Beyond year 9999 there is no such time text.
  if (!(expiresMs >= 0 && expiresMs < 253_402_300_800_000)) throw inputInvalid(`${expiresMs} is no time of expiry`);
  return { _type: type, expires: formatExpiry(expiresMs), spec_version: TUF_VERSION, version };
}

async function signOnce(
  message: Uint8Array,
  signer: Signer,
  file: string,
  verifier: Verifier,
): Promise<MetadataSignature> {
  const signature = await signer.sign(message);
  const key = metadataKeyOf(signer.publicKey);
  // A faulty signer must not get a file served that every client refuses.
  if (!verifier.verify(signer.publicKey, message, signature)) {
    throw new MetadataError({
      code: "METADATA_SIGNER_MISSING",
      message: `Cannot sign "${file}": the signature that the signer of key "${key.keyId}" made does not hold`,
    });
  }
  return { keyId: key.keyId, signature, raw: { keyid: key.keyId, sig: encodeHex(signature) } };
}

function byKeyId(left: MetadataSignature, right: MetadataSignature): number {
  return left.keyId < right.keyId ? -1 : 1;
}

/** Signs a signed part by each different signer; signatures sorted by key id, so that the same input gives the same bytes. */
export async function signBody(
  file: string,
  signed: JsonObject,
  signers: readonly Signer[],
  verifier: Verifier = portableVerifier,
): Promise<Uint8Array> {
  const message = encodeUtf8(encodeTufCanonical(signed));
  const different = new Map(signers.map((signer) => [encodeHex(signer.publicKey), signer]));
  const signatures = await Promise.all(
    [...different.values()].map((signer) => signOnce(message, signer, file, verifier)),
  );
  return renderMetadata(message, signatures.sort(byKeyId));
}

/**
 * Those of the signers whose key a role names.
 * @throws {MetadataError} `METADATA_SIGNER_MISSING` where they are fewer than the threshold
 */
export function signersFor(role: string, { keyIds, threshold }: RoleKeys, signers: readonly Signer[]): Signer[] {
  const named = signers.filter(({ publicKey }) => keyIds.includes(metadataKeyOf(publicKey).keyId));
  const different = new Set(named.map(({ publicKey }) => encodeHex(publicKey)));
  if (different.size >= threshold) return named;
  throw new MetadataError({
    code: "METADATA_SIGNER_MISSING",
    message: `Cannot sign as "${role}": ${different.size} of its keys are at hand, its threshold is ${threshold}`,
    role,
  });
}

/**
 * Adds signatures to a metadata file, as each holder of an offline key does on their own machine. A signature of the same
 * key is replaced. Whether the keys belong to the role is not looked at: see `rootStatus`.
 * @throws {MetadataError} `METADATA_MALFORMED`, `METADATA_NOT_EXACT`, `METADATA_SIGNER_MISSING`
 */
export async function signMetadata(bytes: Uint8Array, type: RoleType, signers: readonly Signer[]): Promise<Uint8Array> {
  const { message, signatures } = parseMetadata(bytes, type);
  const added = await Promise.all(signers.map((signer) => signOnce(message, signer, type, portableVerifier)));
  return renderMetadata(message, merge([signatures, added]));
}

function merge(lists: readonly (readonly MetadataSignature[])[]): MetadataSignature[] {
  return [...new Map(lists.flat().map((signature) => [signature.keyId, signature])).values()].sort(byKeyId);
}

/**
 * Puts the signatures of copies of one file together. Order does not matter; they are not verified.
 * @throws {MetadataError} `METADATA_COMBINE_CONFLICT` when they differ in the signed part or in a signature of one key,
 * `METADATA_INPUT_INVALID` for none, and those of reading
 */
export function combineMetadata(files: readonly Uint8Array[], type: RoleType): Uint8Array {
  const [first, ...rest] = files.map((bytes): MetadataFile => parseMetadata(bytes, type));
  if (first === undefined) throw inputInvalid("no file was given");
  const conflict = (problem: string): MetadataError =>
    new MetadataError({ code: "METADATA_COMBINE_CONFLICT", message: `Cannot combine the signatures: ${problem}` });
  const seen = new Map<string, MetadataSignature>();
  for (const file of [first, ...rest]) {
    if (!equalBytes(file.message, first.message)) throw conflict("the files state different things");
    for (const one of file.signatures) {
      const other = seen.get(one.keyId);
      if (other !== undefined && other.raw["sig"] !== one.raw["sig"]) {
        throw conflict(`key "${one.keyId}" has two different signatures`);
      }
      seen.set(one.keyId, one);
    }
  }
  return renderMetadata(first.message, merge([[...seen.values()]]));
}

/** Keys as a `keys` member has them, sorted by id. */
export function keyMembers(keys: readonly MetadataKey[]): JsonObject {
  return Object.fromEntries(keys.map(({ keyId, raw }) => [keyId, raw]));
}

/** A role as `roles` has it. */
export function roleMember({ keyIds, threshold }: RoleKeys): JsonObject {
  return { keyids: keyIds, threshold };
}
