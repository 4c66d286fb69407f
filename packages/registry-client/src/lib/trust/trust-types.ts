import type { Digest, IndexDocument } from "@lading/core-manifest";
import type { RefreshedMetadata, TargetFile } from "@lading/signing/metadata";
import type { CallOptions } from "../client-types.ts";
import type { HeldDocument, KeyMemory } from "./key-memory.ts";
import type { LogFollower } from "./log-follower.ts";
import type { BeginOptions } from "./trust-client-types.ts";
import type { TrustRecord } from "./trust-record.ts";
import type { TrustStore } from "./trust-store.ts";

/** What a client knows of a registry's signed metadata. */
export interface TrustView {
  readonly record: TrustRecord;
  readonly refreshed: RefreshedMetadata;
  /** The root in force. */
  readonly root: { readonly bytes: Uint8Array; readonly digest: Digest };
  /** When the registry was asked last, milliseconds since the epoch. */
  readonly checkedAt: number;
  readonly log: LogFollower | undefined;
  /** What is known of changes of publishers' keys. */
  readonly keys: KeyMemory;
  /** Demands that a document lists what is known of changes of its signers' keys; see {@link KeyMemory.hold}. */
  hold(document: IndexDocument, found?: HeldDocument): Promise<void>;
  /** What signed metadata states of a path; `undefined` where no role knows it. Lookups of one moment share requests. */
  find(path: string, options?: CallOptions): Promise<TargetFile | undefined>;
  /**
   * What is served as a target, not compared with it yet; `undefined` where nothing is. Targets wanted at one moment share
   * requests.
   */
  read(target: TargetFile, options: CallOptions): Promise<Uint8Array | undefined>;
}

/** How trust is walked. */
export interface TrustSettings {
  readonly store: TrustStore;
  /** How old the stored state may be without network, milliseconds. */
  readonly offlineMaxAgeMs: number;
}

/** The walk of one registry. */
export interface TrustWalk {
  view(options: CallOptions): Promise<TrustView | undefined>;
  refresh(options: CallOptions): Promise<TrustView | undefined>;
  /** Begins anew, by a root file. */
  begin(root: Uint8Array, options: BeginOptions): Promise<TrustView>;
  /** Keeps the state of the log that was seen since. */
  remember(): Promise<void>;
  /** Whether there was anything to forget. */
  forget(): Promise<boolean>;
}
