import { createHash } from "node:crypto";
import type { DigestFunctions } from "../digests.ts";

/** Digests by node:crypto. */
export const nodeDigests: DigestFunctions = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  sha512: (bytes) => createHash("sha512").update(bytes).digest(),
};
