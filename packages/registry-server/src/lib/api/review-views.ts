import { z } from "@hono/zod-openapi";
import { REVIEW_STATES, type Review } from "../governance/review-store.ts";
import { timestamp } from "../index-model.ts";

/** A review as the API shows it. */
export interface ReviewView {
  readonly id: string;
  readonly state: string;
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly target: string;
  readonly publisher: string;
  readonly license?: string;
  readonly findings: readonly {
    readonly rule: string;
    readonly problem: string;
    readonly reviewers: readonly string[];
  }[];
  readonly artifact: { readonly blob: string; readonly size: number; readonly tree: string; readonly files: number };
  readonly signers: readonly string[];
  readonly verified: boolean;
  readonly submitted: string;
  readonly updated: string;
  readonly decided_by?: string;
  readonly reason?: string;
  readonly appeal?: string;
  readonly links: Readonly<Record<string, string>>;
}

/** Shape of a {@link ReviewView}. */
export const reviewView: z.ZodType<ReviewView> = z
  .object({
    id: z.string(),
    state: z.enum(REVIEW_STATES as readonly [string, ...string[]]),
    name: z.string(),
    version: z.string(),
    kind: z.string(),
    target: z.string(),
    publisher: z.string(),
    license: z.string().optional(),
    findings: z.array(z.object({ rule: z.string(), problem: z.string(), reviewers: z.array(z.string()) })),
    artifact: z.object({ blob: z.string(), size: z.number(), tree: z.string(), files: z.number() }),
    signers: z.array(z.string()),
    verified: z.boolean(),
    submitted: z.string(),
    updated: z.string(),
    decided_by: z.string().optional(),
    reason: z.string().optional(),
    appeal: z.string().optional(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("Review") as z.ZodType<ReviewView>;

/** URL of a review below the API. */
export function reviewUrl(base: string, id: string): string {
  return `${base}/api/v1/reviews/${id}`;
}

/** What the API shows of a review. */
export function viewReview(base: string, review: Review): ReviewView {
  const { id, state, publication, findings, submitted, updated, decidedBy, reason, appeal } = review;
  const { name, version, kind, artifact, account, manifest } = publication;
  return {
    id,
    state,
    name,
    version,
    kind,
    target: artifact.target,
    publisher: account.username,
    ...(manifest.license === undefined ? {} : { license: manifest.license }),
    findings: findings.map(({ rule, problem, reviewers }) => ({ rule, problem, reviewers: [...reviewers] })),
    artifact: { blob: artifact.blob, size: artifact.size, tree: artifact.tree, files: artifact.fileCount },
    signers: [...artifact.signers],
    verified: artifact.verified,
    submitted: timestamp(submitted),
    updated: timestamp(updated),
    ...(decidedBy === undefined ? {} : { decided_by: decidedBy }),
    ...(reason === undefined ? {} : { reason }),
    ...(appeal === undefined ? {} : { appeal }),
    links: { self: reviewUrl(base, id), download: `${reviewUrl(base, id)}/download` },
  };
}
