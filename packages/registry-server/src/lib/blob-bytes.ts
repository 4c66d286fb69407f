import type { Digest } from "@lading/core-manifest";
import type { BlobStore } from "./ports.ts";

/** Makes bytes readable under their digest, durably. */
export async function storeBytes(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const staged = await blobs.stage();
  try {
    await staged.write(bytes);
    const { digest } = await staged.seal();
    await staged.commit();
    return digest;
  } finally {
    await staged.discard();
  }
}
