import type { CanonicalName, Version } from "@lading/core-manifest";
import type { Publication, PublishOutcome } from "../publication.ts";
import type { AuditEntry, Page, PageRequest } from "../records.ts";
import type { PolicyFinding } from "./publication-policy.ts";

/**
 * How far a publication that waits has come: `held` until somebody decides, `rejected` with a reason, `appealed` when its
 * publisher answered that, `published` when it is a version like any other.
 */
export type ReviewState = "held" | "rejected" | "appealed" | "published";

/** Every {@link ReviewState}, in the order in which they come. */
export const REVIEW_STATES: readonly ReviewState[] = ["held", "rejected", "appealed", "published"];

/** States in which nobody has decided yet, and name, number and digest are taken. */
export const OPEN_STATES: readonly ReviewState[] = ["held", "appealed"];

/** A publication that waits for a reviewer, or did. */
export interface Review {
  readonly id: string;
  readonly state: ReviewState;
  /** What is published when a reviewer agrees. */
  readonly publication: Publication;
  /** Why it waits. */
  readonly findings: readonly PolicyFinding[];
  readonly submitted: number;
  /** Time of the last step. */
  readonly updated: number;
  /** User name of who decided last. */
  readonly decidedBy?: string;
  /** Of a rejection. */
  readonly reason?: string;
  /** What the publisher answered to the rejection. */
  readonly appeal?: string;
}

/** A publication that is to wait. */
export type Submission = Pick<Review, "id" | "publication" | "findings"> & { readonly audit: AuditEntry };

/** How {@link ReviewStore.submit} ended. `review` is what the registry holds. */
export type SubmitOutcome =
  | { readonly status: "held" | "same" | "rejected"; readonly review: Review }
  | { readonly status: "conflict"; readonly reason: "bytes" | "kind" | "manifest"; readonly review: Review }
  | { readonly status: "name-taken" | "not-owner" };

/** Which reviews; all conditions hold. Newest first. */
export interface ReviewQuery extends PageRequest {
  readonly states?: readonly ReviewState[];
  readonly package?: CanonicalName;
  /** Only those that this account submitted, whose package it owns, or that one of these names may decide. */
  readonly visibleTo?: { readonly accountId: string; readonly reviewers: readonly string[] };
}

/** Why the reviews of an account that was deleted are rejected. */
export const ACCOUNT_DELETED = "account deleted";

/** How {@link ReviewStore.approve} ended. `publisher-deleted`: nothing is published in the name of an account that is gone. */
export type ApproveOutcome = PublishOutcome | { readonly status: "publisher-deleted" };

/** A step of a review. */
export interface ReviewStep {
  readonly id: string;
  readonly audit: AuditEntry;
  /**
   * Called in the transaction with the review as it is, and with the others of its package in {@link OPEN_STATES}; what it
   * throws ends the transaction without a change.
   */
  readonly check: (current: Review, others: readonly Review[]) => void;
}

/**
 * Publications that wait for a reviewer. None of them is in the tables of published versions, so that nothing which reads
 * those can tell of them. Changes are one transaction with their audit record, and survive a power failure when they resolve.
 */
export interface ReviewStore {
  /**
   * Holds a publication; a package's name that is new belongs to whoever submitted it first. `same`: these very bytes wait
   * already; `rejected`: they were rejected, and only an appeal changes that. Other bytes under a number that waits are a
   * conflict; a number whose bytes were rejected is free.
   */
  submit(submission: Submission): Promise<SubmitOutcome>;
  review(id: string): Promise<Review | undefined>;
  reviews(query: ReviewQuery): Promise<Page<Review>>;
  /** Reviews of a version in all states but `published`, newest first. */
  reviewsOf(canonical: CanonicalName, version: Version): Promise<readonly Review[]>;
  /** Account ids that have a publication of this package in {@link OPEN_STATES}. */
  submittersOf(canonical: CanonicalName): Promise<readonly string[]>;
  /**
   * Publishes what waits, in one transaction with the end of the review: version, log entry and audit record have the time of
   * `step.audit`. The review stays as it is where the outcome is neither `created` nor `same`. `undefined`: no such review.
   */
  approve(step: ReviewStep): Promise<{ readonly review: Review; readonly outcome: ApproveOutcome } | undefined>;
  reject(step: ReviewStep & { readonly reason: string }): Promise<Review | undefined>;
  appeal(step: ReviewStep & { readonly text: string }): Promise<Review | undefined>;
  /**
   * Forgets a review that is still as it was, and that its bytes were ever seen; nothing else closes its files then. Whether
   * there was one.
   */
  forget(wanted: Pick<Review, "id" | "state" | "updated"> & { readonly audit: AuditEntry }): Promise<boolean>;
  /** Digests of files that only publications which are not published have: nobody may read them by their digest. */
  heldBlobs(): Promise<readonly string[]>;
}
