/** Fingerprint of a signer, which the index may name by its bare key id. */
export function asFingerprint(signer: string): string {
  return signer.startsWith("ed25519:") ? signer : `ed25519:${signer}`;
}
