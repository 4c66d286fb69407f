/** Verifies signatures of one key; false for every bad input, never throws. */
export type VerifySignature = (message: Uint8Array, signature: Uint8Array) => boolean;
