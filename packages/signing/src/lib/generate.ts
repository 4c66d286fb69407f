import { SEED_BYTES } from "./ed25519.ts";
import { randomBytes } from "./key-encryption.ts";
import { createPrivateKey, type PrivateKey } from "./key.ts";

/** Makes a new key from the runtime's random generator. */
export function generateKey(comment?: string): PrivateKey {
  return createPrivateKey(randomBytes(SEED_BYTES), undefined, comment);
}
