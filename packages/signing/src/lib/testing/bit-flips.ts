import { digestFromBytes } from "@lading/core-manifest";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeUtf8 } from "../bytes.ts";
import { portableDigests } from "../digests.ts";
import { checkRootPin } from "../metadata/client.ts";
import { MetadataError } from "../metadata/metadata-error.ts";
import type { RepositoryUpdate } from "../metadata/repository.ts";
import { nextRoot } from "../metadata/root-ceremony.ts";
import { signMetadata } from "../metadata/sign-metadata.ts";
import {
  readTrustedRoot,
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
  verifyTimestamp,
  type Rules,
} from "../metadata/workflow.ts";
import { portableVerifier, type Verifier } from "../signer.ts";
import { TEST_NOW_MS, TEST_ROLES } from "./test-repository.ts";

/**
 * Flips bits of a file, one at a time.
 * @param chosen which bits; all unless given
 * @returns the bits that `accepts` accepts flipped: none, for a format in which every bit counts
 */
export function acceptedFlips(
  bytes: Uint8Array,
  accepts: (altered: Uint8Array) => boolean,
  chosen: (bit: number) => boolean = () => true,
): number[] {
  const accepted: number[] = [];
  const copy = Uint8Array.from(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (!chosen(bit)) continue;
    copy[bit >> 3]! ^= 1 << (bit & 7);
    if (accepts(copy)) accepted.push(bit);
    copy[bit >> 3]! ^= 1 << (bit & 7);
  }
  return accepted;
}

function isAccepted(verify: () => unknown): boolean {
  try {
    verify();
    return true;
  } catch (error) {
    if (error instanceof MetadataError) return false;
    throw error;
  }
}

/**
 * Flips bits of each kind of metadata file of a registry made by `testRepository`.
 * @param chosen which bits, told the number of bits before the signed part
 * @returns `file: bit` for each that was accepted
 */
export async function flipRegistry(
  { root: rootBytes, repository, files }: RepositoryUpdate & { readonly root: Uint8Array },
  chosen: (bit: number, signatureBits: number) => boolean = () => true,
  verifier: Verifier = portableVerifier,
): Promise<string[]> {
  const rules: Rules = { verifier, digests: portableDigests, form: "exact" };
  const { root, timestamp, snapshot, targets } = repository;
  const pin = digestFromBytes(sha256(rootBytes));
  const next = await signMetadata(nextRoot(rootBytes, { expiresMs: TEST_NOW_MS + 1000 }), "root", TEST_ROLES.root);
  const bin = [...files].find(([path]) => path.endsWith(".bins-1.json"))![1];
  const verifications: Readonly<Record<string, readonly [Uint8Array, (bytes: Uint8Array) => unknown]>> = {
    "root.json": [rootBytes, (bytes) => (checkRootPin(bytes, pin), readTrustedRoot(bytes, rules))],
    "2.root.json": [next, (bytes) => verifyNextRoot(root, bytes, rules)],
    "timestamp.json": [timestamp.bytes, (bytes) => verifyTimestamp(bytes, root, undefined, TEST_NOW_MS, rules)],
    "1.snapshot.json": [
      snapshot.bytes,
      (bytes) => verifySnapshot(bytes, { root, timestamp }, undefined, TEST_NOW_MS, rules),
    ],
    "1.targets.json": [
      targets.bytes,
      (bytes) => verifyTargets(bytes, "targets", { delegator: root, snapshot }, TEST_NOW_MS, rules),
    ],
    "1.bins-1.json": [
      bin,
      (bytes) => verifyTargets(bytes, "bins-1", { delegator: targets, snapshot }, TEST_NOW_MS, rules),
    ],
  };
  return Object.entries(verifications).flatMap(([file, [bytes, verify]]) => {
    // The file as it is must pass, or its refusals would say nothing.
    verify(bytes);
    const signatureBits = decodeUtf8(bytes)!.indexOf('"signed"') * 8;
    const accepts = (altered: Uint8Array): boolean => isAccepted(() => verify(altered));
    return acceptedFlips(bytes, accepts, (bit) => chosen(bit, signatureBits)).map((bit) => `${file}: ${bit}`);
  });
}
