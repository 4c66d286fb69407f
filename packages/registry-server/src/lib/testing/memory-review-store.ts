import type { CanonicalName, Version } from "@lading/core-manifest";
import { agreed, outcomeForReviewed } from "../governance/review-rules.ts";
import {
  ACCOUNT_DELETED,
  OPEN_STATES,
  type ApproveOutcome,
  type Review,
  type ReviewQuery,
  type ReviewStep,
  type ReviewStore,
  type Submission,
  type SubmitOutcome,
} from "../governance/review-store.ts";
import type { Publication, PublishOutcome } from "../ports.ts";
import type { ArtifactRecord, AuditEntry, Page } from "../records.ts";

/** What {@link MemoryReviewStore} asks of the metadata store that it belongs to. */
export interface ReviewedStore {
  readonly record: (audit: AuditEntry) => void;
  /** @throws {RegistryError} `QUOTA_EXCEEDED` */
  readonly requireRoom: (publication: Publication) => void;
  readonly publish: (publication: Publication) => Promise<PublishOutcome>;
  readonly isDeleted: (accountId: string) => boolean;
  /** Account ids; `undefined` where there is no such package. */
  readonly ownerIds: (canonical: CanonicalName) => readonly string[] | undefined;
  readonly publishedFiles: () => readonly ArtifactRecord[];
}

/** The {@link ReviewStore} in memory, beside the metadata store in memory. */
export class MemoryReviewStore implements ReviewStore {
  readonly #store: ReviewedStore;
  readonly #reviews = new Map<string, Review>();

  constructor(store: ReviewedStore) {
    this.#store = store;
  }

  #sorted(matches: (review: Review) => boolean): readonly Review[] {
    return [...this.#reviews.values()]
      .filter(matches)
      .sort((left, right) => right.submitted - left.submitted || (left.id < right.id ? -1 : 1));
  }

  async submit({ id, publication, findings, audit }: Submission): Promise<SubmitOutcome> {
    const { canonical, version, account, override } = publication;
    const owners = this.#store.ownerIds(canonical);
    if (owners !== undefined && !override && !owners.includes(account.id)) return { status: "not-owner" };
    const others = (await this.submittersOf(canonical)).filter((other) => other !== account.id);
    if (owners === undefined && others.length > 0) return { status: "name-taken" };
    const decided = outcomeForReviewed(await this.reviewsOf(canonical, version), publication);
    if (decided !== undefined) return decided;
    this.#store.requireRoom(publication);
    const { quotas: _, ...kept } = publication;
    const stripped = { id: account.id, username: account.username, passwordHash: "", admin: false, created: 0 };
    const review: Review = {
      id,
      state: "held",
      publication: { ...kept, account: stripped },
      findings,
      submitted: audit.at,
      updated: audit.at,
    };
    this.#reviews.set(id, review);
    this.#store.record(audit);
    return { status: "held", review };
  }

  async review(id: string): Promise<Review | undefined> {
    return this.#reviews.get(id);
  }

  async reviews({ states, package: canonical, visibleTo, page, perPage }: ReviewQuery): Promise<Page<Review>> {
    const found = this.#sorted(({ state, publication, findings }) => {
      if (states !== undefined && !states.includes(state)) return false;
      if (canonical !== undefined && publication.canonical !== canonical) return false;
      if (visibleTo === undefined || publication.account.id === visibleTo.accountId) return true;
      if (this.#store.ownerIds(publication.canonical)?.includes(visibleTo.accountId) === true) return true;
      return findings.some(({ reviewers }) => reviewers.some((name) => visibleTo.reviewers.includes(name)));
    });
    return { items: found.slice((page - 1) * perPage, page * perPage), total: found.length };
  }

  async reviewsOf(canonical: CanonicalName, version: Version): Promise<readonly Review[]> {
    return this.#sorted(
      ({ state, publication }) =>
        state !== "published" && publication.canonical === canonical && publication.version === version,
    );
  }

  async submittersOf(canonical: CanonicalName): Promise<readonly string[]> {
    const open = this.#sorted(
      ({ state, publication }) => OPEN_STATES.includes(state) && publication.canonical === canonical,
    );
    return [...new Set(open.map(({ publication }) => publication.account.id))].sort();
  }

  async approve({
    id,
    audit,
    check,
  }: ReviewStep): Promise<{ readonly review: Review; readonly outcome: ApproveOutcome } | undefined> {
    const current = this.#checked({ id, check });
    if (current === undefined) return undefined;
    if (this.#store.isDeleted(current.publication.account.id))
      return { review: current, outcome: { status: "publisher-deleted" } };
    const outcome = await this.#store.publish(agreed(current, audit));
    if (outcome.status !== "created" && outcome.status !== "same") return { review: current, outcome };
    return { review: this.#step(current, audit, { state: "published", decidedBy: audit.actor }), outcome };
  }

  async reject({ id, audit, check, reason }: ReviewStep & { readonly reason: string }): Promise<Review | undefined> {
    const current = this.#checked({ id, check });
    if (current === undefined) return undefined;
    return this.#step(current, audit, { state: "rejected", decidedBy: audit.actor, reason });
  }

  async forget({
    id,
    state,
    updated,
    audit,
  }: Pick<Review, "id" | "state" | "updated"> & { readonly audit: AuditEntry }): Promise<boolean> {
    const current = this.#reviews.get(id);
    if (current?.state !== state || current.updated !== updated) return false;
    this.#reviews.delete(id);
    this.#store.record(audit);
    return true;
  }

  async appeal({ id, audit, check, text }: ReviewStep & { readonly text: string }): Promise<Review | undefined> {
    const current = this.#checked({ id, check });
    if (current === undefined) return undefined;
    return this.#step(current, audit, { state: "appealed", appeal: text });
  }

  #checked({ id, check }: Pick<ReviewStep, "id" | "check">): Review | undefined {
    const current = this.#reviews.get(id);
    if (current === undefined) return undefined;
    const { canonical } = current.publication;
    const others = this.#sorted(
      (other) => other.id !== id && OPEN_STATES.includes(other.state) && other.publication.canonical === canonical,
    );
    check(current, others);
    return current;
  }

  #step(current: Review, audit: AuditEntry, change: Partial<Review>): Review {
    const next = { ...current, ...change, updated: audit.at };
    this.#reviews.set(next.id, next);
    this.#store.record(audit);
    return next;
  }

  /** Rejects what waits of an account that ends; the account's audit record says of it. */
  rejectAllOf(accountId: string, { at, actor }: AuditEntry): void {
    for (const review of this.#reviews.values()) {
      if (review.publication.account.id !== accountId || !OPEN_STATES.includes(review.state)) continue;
      const end = { state: "rejected", decidedBy: actor, reason: ACCOUNT_DELETED, updated: at } as const;
      this.#reviews.set(review.id, { ...review, ...end });
    }
  }

  /** Publications that are not published. */
  submitted(): readonly Publication[] {
    return this.#sorted(({ state }) => state !== "published").map(({ publication }) => publication);
  }

  /** Files of publications that are not published. */
  waiting(): readonly ArtifactRecord[] {
    return this.submitted().map(({ artifact }) => artifact);
  }

  async heldBlobs(): Promise<readonly string[]> {
    const names = ({ blob, statement, readme }: ArtifactRecord): string[] =>
      [blob, statement, readme].filter((digest) => digest !== undefined);
    const published = new Set(this.#store.publishedFiles().flatMap(names));
    return [...new Set(this.waiting().flatMap(names))].filter((digest) => !published.has(digest)).sort();
  }
}
