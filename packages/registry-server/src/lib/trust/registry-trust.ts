import type { Signer, Verifier } from "@lading/signing";

/** What a registry signs its metadata and its log with. */
export interface RegistryTrust {
  /** Every root from version 1 on, in order; the last one is in force. */
  readonly roots: readonly Uint8Array[];
  /** Online keys of targets, snapshot and timestamp; each role takes those that the root names. */
  readonly signers: readonly Signer[];
  readonly logSigner: Signer;
  /** First line of the log's checkpoints, and name of its key. */
  readonly logOrigin: string;
  /** The portable one unless given. */
  readonly verifier?: Verifier;
}
