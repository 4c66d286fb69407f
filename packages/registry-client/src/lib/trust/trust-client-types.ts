import type { Digest, IndexDocument } from "@lading/core-manifest";
import type { Checkpoint, PublishEvent, ReadTile } from "@lading/signing/log";
import type { NameDelegation } from "@lading/signing/metadata";

import type { KnownKeyChange } from "./known-key-change.ts";
import type { AnchorSource, KnownRoot } from "./trust-record.ts";

/** What calls about trust are told. */
export interface TrustCallOptions {
  /** Aborts the operation, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a registry is trusted by, and how far that was checked. */
export interface TrustReport {
  /** The root that trust began with. */
  readonly anchor: KnownRoot & { readonly how: AnchorSource; readonly at: string };
  /** The root in force. */
  readonly root: KnownRoot & {
    /** Key ids, of which `threshold` must sign. */
    readonly keys: readonly string[];
    readonly threshold: number;
    /** Its keys lie on the server, which made them itself. */
    readonly development: boolean;
    readonly expires: string;
  };
  readonly versions: { readonly timestamp: number; readonly snapshot: number; readonly targets: number };
  /** When the first of root, timestamp, snapshot and targets expires. */
  readonly expires: string;
  /** When the registry was asked last. */
  readonly checked: string;
  /** The log as it was seen last. */
  readonly log?: {
    readonly origin: string;
    readonly key: string;
    /** Keys that it had before. */
    readonly formerKeys: readonly string[];
    readonly size: number;
    readonly root: string;
  };
}

/** A registry's log, whose state was followed from the one seen before. */
export interface RegistryLog {
  readonly origin: string;
  /** Text form of its key. */
  readonly key: string;
  readonly checkpoint: Checkpoint;
  /** Reads a tile or bundle; nothing of it is verified. */
  readonly read: ReadTile;
  /**
   * An entry, proven to be at that index of the checkpoint.
   * @throws {LogError} `LOG_INCLUSION_INVALID`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`, `LOG_RANGE_INVALID`
   */
  entry(index: number): Promise<Uint8Array>;
}

/** A file of a package whose publication is to be proven. */
export interface WantedProof {
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly blob?: Digest | undefined;
  readonly tree?: Digest | undefined;
}

/** That the publication of a file is in the log. */
export interface InclusionProof {
  readonly index: number;
  /** The bytes of the entry. */
  readonly entry: Uint8Array;
  readonly event: PublishEvent;
  /** From the leaf up. */
  readonly hashes: readonly Uint8Array[];
}

/** Proofs against one checkpoint, in the order asked for. */
export interface InclusionProofs {
  readonly origin: string;
  /** Text form of the log's key. */
  readonly key: string;
  readonly checkpoint: Checkpoint;
  readonly proofs: readonly InclusionProof[];
}

/** What {@link TrustClient.begin} is told. */
export interface BeginOptions extends TrustCallOptions {
  /** Whether the root may take the place of another by which the registry is trusted. Default: false. */
  readonly replace?: boolean | undefined;
}

/** What a registry is trusted by, and its log. */
export interface TrustClient {
  /** The verified state; `undefined` where the registry has no signed metadata. Asks the registry unless offline. */
  report(options?: TrustCallOptions & { readonly refresh?: boolean | undefined }): Promise<TrustReport | undefined>;
  /** The log, followed; `undefined` where the registry has none. */
  log(options?: TrustCallOptions): Promise<RegistryLog | undefined>;
  /**
   * Proofs that files were published in the log, verified; `undefined` where the registry has no log or gives no proofs.
   * @throws {RegistryClientError} `REGISTRY_LOG_ENTRY_MISSING` where it has none of a file; {LogError} where one does not hold
   */
  proofs(wanted: readonly WantedProof[], options?: TrustCallOptions): Promise<InclusionProofs | undefined>;
  /**
   * Who may sign a package, where the registry's signed metadata has delegated its name; `undefined` where it has not, or
   * there is none.
   */
  delegation(name: string, options?: TrustCallOptions): Promise<NameDelegation | undefined>;
  /**
   * Remembers changes of publishers' keys, each of which is proven to be in the log: a document that they concern is refused
   * from then on where it leaves them out (`REGISTRY_KEY_CHANGE_WITHHELD`).
   */
  noteKeyChanges(changes: readonly KnownKeyChange[]): Promise<void>;
  /**
   * Demands that a document lists what is known of changes of these keys, whose signatures of the package were verified: whom
   * the document itself names as signers is said by its registry alone.
   * @param signers fingerprints
   * @throws {RegistryClientError} `REGISTRY_KEY_CHANGE_WITHHELD`; `REGISTRY_OFFLINE` where without network only an older copy
   * of the document is there
   */
  holdSigners(document: IndexDocument, signers: readonly string[]): Promise<void>;
  /**
   * Begins to trust the registry by a root file, and walks its metadata.
   * @throws {RegistryClientError} `REGISTRY_TRUST_EXISTS` where it is trusted by another root and `replace` is not given
   */
  begin(root: Uint8Array, options?: BeginOptions): Promise<TrustReport>;
  /** Forgets what the registry is trusted by; whether there was anything. */
  forget(): Promise<boolean>;
}
