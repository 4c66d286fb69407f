import type { Signer, Verifier } from "@lading/signing";

/** What a registry signs its metadata and its log with. */
export interface RegistryTrust {
  /** Every root from version 1 on, in order; the last one is in force. */
  readonly roots: readonly Uint8Array[];
  /** Online keys of targets, snapshot and timestamp; each role takes those that the root names. */
  readonly signers: readonly Signer[];
  readonly logSigner: Signer;
  /** Sign the log's checkpoints too: its former keys, for those who pinned one, and whoever else vouches for it. */
  readonly logCosigners?: readonly Signer[];
  /** Public keys that the log had before. */
  readonly formerLogKeys?: readonly Uint8Array[];
  /** First line of the log's checkpoints, and name of its key. */
  readonly logOrigin: string;
  /** The portable one unless given. */
  readonly verifier?: Verifier;
}
