import type { Verifier } from "../signer.ts";
import { MetadataError } from "./metadata-error.ts";
import type { MetadataFile, RoleKeys } from "./metadata-file.ts";
import { verificationOf, type MetadataKey } from "./metadata-key.ts";

/** One party whose signatures a file needs: a role as its delegator states it. */
export interface SigningParty {
  readonly role: RoleKeys;
  readonly keys: ReadonlyMap<string, MetadataKey>;
}

/** Outcome of counting the signatures of one file. */
export interface SignatureCount {
  /** Ids of the different keys of the role whose signature holds. */
  readonly valid: readonly string[];
  /** Ids of keys of the role whose signature is there and does not hold. */
  readonly broken: readonly string[];
}

/**
 * Counts a role's valid signatures. Each key counts once: by its id, and by its public value too, so that one key listed
 * under two ids (with another unknown member) is still one (TUF 1.0 §5.3.4: "each KEY MUST only contribute one SIGNATURE").
 */
export function countSignatures(file: MetadataFile, party: SigningParty, verifier: Verifier): SignatureCount {
  const valid: string[] = [];
  const broken: string[] = [];
  const counted = new Set<string>();
  for (const { keyId, signature } of file.signatures) {
    const key = party.role.keyIds.includes(keyId) ? party.keys.get(keyId) : undefined;
    if (key === undefined) continue;
    const holds = signature !== undefined && verificationOf(key, verifier)?.(file.message, signature) === true;
    if (!holds) broken.push(keyId);
    else if (!counted.has(key.publicValue)) {
      counted.add(key.publicValue);
      valid.push(keyId);
    }
  }
  return { valid, broken };
}

/**
 * In the exact form, every signature must be a known key's and hold: TUF steps over spare ones, and an altered bit in
 * one would go unseen.
 * @param counts of every party whose keys are known
 * @throws {MetadataError} `METADATA_SIGNATURE_ALTERED`
 */
export function checkEverySignature(name: string, file: MetadataFile, counts: readonly SignatureCount[]): void {
  const good = new Set(counts.flatMap(({ valid }) => valid));
  const spare = file.signatures.find(({ keyId }) => !good.has(keyId));
  if (spare === undefined) return;
  throw new MetadataError({
    code: "METADATA_SIGNATURE_ALTERED",
    message: `Cannot trust "${name}": its signature by "${spare.keyId.slice(0, 64)}" does not hold or is by no known key`,
    file: name,
  });
}
