import type { TreeHost, TreeStores } from "../trees/tree-host.ts";
import { MemoryBlobStore } from "./memory-blob-store.ts";
import { MemoryDocumentStore } from "./memory-document-store.ts";
import { MemoryMetadataStore } from "./memory-metadata-store.ts";

/** Trees of private packages in memory, the same stores each time that one is opened. */
export class MemoryTreeHost implements TreeHost {
  readonly #trees = new Map<string, TreeStores>();

  async open(name: string): Promise<TreeStores> {
    const known = this.#trees.get(name);
    if (known !== undefined) return known;
    const stores: TreeStores = {
      metadata: new MemoryMetadataStore(),
      blobs: new MemoryBlobStore(),
      documents: new MemoryDocumentStore(),
      close: async () => {},
    };
    this.#trees.set(name, stores);
    return stores;
  }
}
