import type { CanonicalName } from "@lading/core-manifest";
import type { Account, AuditEntry } from "../records.ts";
import type { Team } from "./organisation.ts";
import type { ClaimState, NameClaim, Transfer, TransferState } from "./ownership.ts";

/** Who gets a package. */
export type NewOwner = { readonly account: Account } | { readonly team: Team };

/** An offer as it is stored. */
export interface NewTransfer {
  readonly id: string;
  readonly canonical: CanonicalName;
  readonly senderId: string;
  readonly accountId?: string;
  readonly organisationId?: string;
  readonly created: number;
  readonly expires: number;
}

/** A claim as it is stored. */
export interface NewNameClaim {
  readonly id: string;
  readonly canonical: CanonicalName;
  readonly accountId: string;
  readonly reason: string;
  readonly created: number;
  readonly decidable: number;
}

/**
 * Packages that change hands. Changes are one transaction with their audit record; a new owner takes the place of all
 * others, and each that comes or goes is an entry of the log.
 */
export interface OwnershipStore {
  /** `exists` while an offer of the package waits for an answer. */
  offerTransfer(transfer: NewTransfer, audit: AuditEntry): Promise<"offered" | "exists">;
  transfer(id: string): Promise<Transfer | undefined>;
  /** Open ones at `now` that the account or one of the organisations may accept, or that the account sent; oldest first. */
  transfersFor(accountId: string, organisations: readonly string[], now: number): Promise<readonly Transfer[]>;
  /** `closed` where it was answered or expired. */
  acceptTransfer(id: string, owner: NewOwner, audit: AuditEntry): Promise<"done" | "closed">;
  closeTransfer(
    id: string,
    state: Exclude<TransferState, "open" | "accepted">,
    audit: AuditEntry,
  ): Promise<"done" | "closed">;

  /** `exists` while a claim of the name is open. */
  createClaim(claim: NewNameClaim, audit: AuditEntry): Promise<"created" | "exists">;
  claim(id: string): Promise<NameClaim | undefined>;
  /** Oldest first: all, those of a package, or those of a claimant. */
  claims(filter: {
    readonly state?: ClaimState;
    readonly claimantId?: string;
    /** On packages that the account owns itself. */
    readonly ownerId?: string;
  }): Promise<readonly NameClaim[]>;
  /** Ends an open claim; with `owner` the package is theirs. `closed` where it is not open any more. */
  closeClaim(
    id: string,
    end: { readonly state: Exclude<ClaimState, "open">; readonly note?: string; readonly owner?: Account },
    audit: AuditEntry,
  ): Promise<"done" | "closed">;
}
