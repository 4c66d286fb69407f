import type { DocumentStore } from "../ports.ts";

/** The {@link DocumentStore} in memory. */
export class MemoryDocumentStore implements DocumentStore {
  readonly #documents = new Map<string, Uint8Array>();

  async get(path: string): Promise<Uint8Array | undefined> {
    return this.#documents.get(path);
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    this.#documents.set(path, bytes.slice());
  }

  async clear(): Promise<void> {
    this.#documents.clear();
  }
}
