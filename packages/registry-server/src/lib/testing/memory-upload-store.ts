import type { UploadPart, UploadStore } from "../uploads/upload-store.ts";
import { concatenated } from "./memory-blob-store.ts";

/** The {@link UploadStore} in memory. */
export class MemoryUploadStore implements UploadStore {
  readonly #uploads = new Map<string, Map<number, Uint8Array>>();

  async parts(upload: string): Promise<readonly UploadPart[]> {
    const parts = [...(this.#uploads.get(upload) ?? [])].map(([offset, { length: size }]) => ({ offset, size }));
    return parts.sort((left, right) => left.offset - right.offset);
  }

  async put(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number | "taken"> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk.slice());
    const part = concatenated(chunks);
    const known = this.#uploads.get(upload) ?? new Map<number, Uint8Array>();
    if (known.has(offset)) return "taken";
    this.#uploads.set(upload, known.set(offset, part));
    return part.length;
  }

  async *read(upload: string, { offset }: UploadPart): AsyncIterable<Uint8Array> {
    const bytes = this.#uploads.get(upload)?.get(offset);
    if (bytes === undefined) throw new Error(`upload ${upload} has no part at ${offset}`);
    yield bytes;
  }

  async remove(upload: string): Promise<void> {
    this.#uploads.delete(upload);
  }

  async *uploads(): AsyncIterable<string> {
    yield* this.#uploads.keys();
  }
}
