import type { Digest } from "@lading/core-manifest";
import type { BlobStore, StagedBlob } from "../ports.ts";
import { sha256Hex } from "../token.ts";

/** One array of all of them. */
export function concatenated(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The {@link BlobStore} in memory. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  /** When set, {@link check} rejects with it. */
  failure: Error | undefined;

  async stage(): Promise<StagedBlob> {
    const blobs = this.#blobs;
    const chunks: Uint8Array[] = [];
    let sealed: { bytes: Uint8Array<ArrayBuffer>; digest: Digest } | undefined;
    const seal = async (): Promise<{ bytes: Uint8Array<ArrayBuffer>; digest: Digest }> => {
      if (sealed !== undefined) return sealed;
      const bytes = concatenated(chunks);
      sealed = { bytes, digest: `sha256:${await sha256Hex(bytes)}` as Digest };
      return sealed;
    };
    return {
      write: async (chunk) => {
        if (sealed !== undefined) throw new Error("this staged blob is sealed");
        chunks.push(chunk.slice());
      },
      seal: async () => {
        const { bytes, digest } = await seal();
        return { digest, size: bytes.length };
      },
      async *read() {
        yield (await seal()).bytes;
      },
      commit: async () => {
        const { bytes, digest } = await seal();
        blobs.set(digest, bytes);
      },
      discard: async () => {},
    };
  }

  async open(digest: Digest): Promise<Awaited<ReturnType<BlobStore["open"]>>> {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) return undefined;
    return {
      size: bytes.length,
      stream: (range) => new Blob([range === undefined ? bytes : bytes.slice(range.start, range.end + 1)]).stream(),
    };
  }

  async *list(): AsyncIterable<Digest> {
    yield* this.#blobs.keys();
  }

  async remove(digest: Digest): Promise<void> {
    this.#blobs.delete(digest);
  }

  async recover(): Promise<void> {}

  async check(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
  }
}
