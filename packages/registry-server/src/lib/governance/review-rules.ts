import type { Publication } from "../ports.ts";
import { firstRecord, outcomeForKnown } from "../publication-rules.ts";
import type { AuditEntry } from "../records.ts";
import { OPEN_STATES, type Review, type SubmitOutcome } from "./review-store.ts";

/** What every store answers to a publication under a number of which these reviews are there; `undefined`: it may wait. */
export function outcomeForReviewed(reviews: readonly Review[], publication: Publication): SubmitOutcome | undefined {
  const open = reviews.filter(({ state }) => OPEN_STATES.includes(state));
  for (const review of open) {
    const known = outcomeForKnown(firstRecord(review.publication), publication, 0);
    if (known?.status === "same") return { status: "same", review };
    if (known?.status === "conflict") return { status: "conflict", reason: known.reason, review };
  }
  const { artifact, kind } = publication;
  const rejected = reviews.find(
    ({ state, publication: { artifact: first, kind: other } }) =>
      state === "rejected" && first.target === artifact.target && first.tree === artifact.tree && other === kind,
  );
  return rejected && { status: "rejected", review: rejected };
}

/** The publication as it becomes public: at the time of the decision, by its publisher, with who agreed. */
export function agreed({ publication, id }: Review, { at, actor }: AuditEntry): Publication {
  const { artifact, audit } = publication;
  return {
    ...publication,
    artifact: { ...artifact, published: at },
    audit: { ...audit, at, details: { ...audit.details, review: id, approvedBy: actor } },
  };
}
