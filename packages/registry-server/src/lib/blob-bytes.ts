import type { Digest } from "@lading/core-manifest";
import type { BlobStore, StagedBlob } from "./ports.ts";

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

/** A sealed copy of a sealed blob, on its way into another store. Who calls it ends it. */
export async function copyBlob(from: Pick<StagedBlob, "read">, to: BlobStore): Promise<StagedBlob> {
  const staged = await to.stage();
  try {
    for await (const chunk of from.read()) await staged.write(chunk);
    await staged.seal();
    return staged;
  } catch (error) {
    await staged.discard();
    throw error;
  }
}
