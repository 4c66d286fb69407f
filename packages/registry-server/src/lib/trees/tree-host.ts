import type { BlobStore, Coordination, DocumentStore, MetadataStore } from "../ports.ts";
import type { RegistryTrust } from "../trust/registry-trust.ts";

/** What one tree of private packages is kept in: nothing of it is in the stores of the public packages. */
export interface TreeStores {
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly documents: DocumentStore;
  /** Where several servers have the same stores. */
  readonly coordination?: Coordination;
  /** The tree's own keys: its metadata and log are signed by no key of the public ones. */
  readonly trust?: RegistryTrust;
  /** Called when the metadata store is closed already. */
  close(): Promise<void>;
}

/** Opens the stores of trees of private packages. */
export interface TreeHost {
  /**
   * The stores of a tree, made where there are none. `name` has letters of a to z, digits and `-`; `mount` is the path below
   * the registry's address at which it is served.
   */
  open(name: string, mount: string): Promise<TreeStores>;
}
