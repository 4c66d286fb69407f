import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { passesStrictRule } from "../ed25519.ts";
import { spkiOf } from "../key-id.ts";
import { portableVerifier, type Verifier } from "../signer.ts";

// Importing a key costs a good part of a verification, and a closure of packages has few publishers.
const CACHED_KEYS = 256;
const keys = new Map<string, KeyObject>();

function importKey(publicKey: Uint8Array): KeyObject {
  const hex = Buffer.from(publicKey).toString("hex");
  const known = keys.get(hex);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.from(spkiOf(publicKey)), format: "der", type: "spki" });
  if (keys.size >= CACHED_KEYS) keys.delete(keys.keys().next().value!);
  keys.set(hex, key);
  return key;
}

function verifyNatively(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  // OpenSSL recomputes R and compares its bytes, without cofactor. What differs between its versions (low-order and
  // non-canonical points) never reaches it, so that it accepts the same set as the portable code.
  if (!passesStrictRule(publicKey, signature)) return false;
  try {
    return verify(null, message, importKey(publicKey), signature);
  } catch {
    // A key that is no point of the curve: engines refuse it here or in verify(), each with an error of its own. The rule
    // itself has the last word, so that no engine's refusal is taken for a verdict.
    return portableVerifier.verify(publicKey, message, signature);
  }
}

/** The verifier on node:crypto: the same verdicts as the portable one, many times faster. Synchronous. */
export const nodeVerifier: Verifier = { verify: verifyNatively };
