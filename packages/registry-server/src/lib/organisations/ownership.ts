/** How long a package is without a change before its name counts as abandoned, in days. */
export const ABANDONED_AFTER_DAYS = 365;
/** How long its owners have to object to a claim, in days. */
export const CLAIM_WAIT_DAYS = 30;
/** How long an offer of a package waits for an answer, in days. */
export const TRANSFER_DAYS = 14;

/** How an offer of a package stands; one that is `open` may have expired. */
export type TransferState = "open" | "accepted" | "declined" | "withdrawn";

/** An owner's offer to hand a package over. Times here and below are milliseconds since the epoch. */
export interface Transfer {
  readonly id: string;
  /** Canonical name. */
  readonly package: string;
  /** User name of the owner who offers. */
  readonly sender: string;
  /** User name of whoever may accept; absent where it is offered to an organisation. */
  readonly username?: string;
  /** Organisation whose owners may accept it for one of its teams. */
  readonly organisation?: string;
  readonly created: number;
  readonly expires: number;
  readonly state: TransferState;
}

/** How a claim of an abandoned name stands. */
export type ClaimState = "open" | "objected" | "withdrawn" | "approved" | "rejected";

/** A request to get the name of a package that seems abandoned. */
export interface NameClaim {
  readonly id: string;
  /** Canonical name. */
  readonly package: string;
  /** User name of whoever asks. */
  readonly claimant: string;
  readonly reason: string;
  readonly created: number;
  /** From when on it may be approved, unless an owner objected. */
  readonly decidable: number;
  readonly state: ClaimState;
  /** Why it ended so. */
  readonly note?: string;
  readonly decided?: number;
}
