import type { CanonicalName } from "@lading/core-manifest";
import { administers, requireScope, type Principal } from "../authentication.ts";
import type { IndexService } from "../index-service.ts";
import type { Clock, MetadataStore, Publication } from "../ports.ts";
import type { Account, AuditEntry, Page, PageRequest } from "../records.ts";
import type { Groups } from "../organisations/groups.ts";
import type { PackageRights } from "../organisations/package-rights.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import type { TrustService } from "../trust/trust-service.ts";
import type { BlobGate } from "./blob-gate.ts";
import { judgePublication, rulesFor, type PolicyFinding, type PublicationRule } from "./publication-policy.ts";
import { outcomeForReviewed } from "./review-rules.ts";
import {
  OPEN_STATES,
  type ApproveOutcome,
  type Review,
  type ReviewState,
  type ReviewStep,
  type SubmitOutcome,
} from "./review-store.ts";
import { similarNames } from "./similar-names.ts";

interface Ports {
  readonly metadata: MetadataStore;
  readonly index: IndexService;
  readonly trust: TrustService | undefined;
  readonly clock: Clock;
  readonly gate: BlobGate;
  /** Teams and groups of accounts, which rules may name. */
  readonly groups: Groups;
  readonly rights: Pick<PackageRights, "on">;
  readonly rules: readonly PublicationRule[];
}

/** The most downloaded names are the ones that others imitate. */
const POPULAR_NAMES = 1000;
const POPULAR_TTL_MS = 60_000;

/** Which steps start where. */
const STARTS: Readonly<Record<"approve" | "reject" | "appeal", readonly ReviewState[]>> = {
  approve: ["held", "appealed", "rejected"],
  reject: OPEN_STATES,
  appeal: ["rejected"],
};

function shown({ name, version, artifact: { target } }: Publication): string {
  return `"${name}" ${version}${target === "any" ? "" : ` for target "${target}"`}`;
}

function notFound(id: string): RegistryError {
  return new RegistryError({ code: "REVIEW_NOT_FOUND", message: `Cannot find review "${id.slice(0, 64)}"` });
}

function rejected({ publication, reason = "", id }: Review): RegistryError {
  return new RegistryError({
    code: "PUBLICATION_REJECTED",
    message: `Cannot publish ${shown(publication)}: a reviewer rejected these bytes: ${reason}`,
    hint: `Publish a package without the fault, or answer the reviewer: review appeal ${id}`,
    review: id,
  });
}

function conflict(
  publication: Publication,
  { reason, review }: Extract<SubmitOutcome, { status: "conflict" }>,
): RegistryError {
  return new RegistryError({
    code: "VERSION_EXISTS",
    message: `Cannot publish ${shown(publication)}: other bytes of this version wait for a reviewer since ${new Date(review.submitted).toISOString()}`,
    hint: "A version that waits never changes; publish under a new version number, or ask a reviewer to reject it",
    reason,
  });
}

function refuse(
  { name, version }: Pick<Publication, "name" | "version">,
  findings: readonly PolicyFinding[],
  similar: readonly string[],
): void {
  const refusing = findings.filter(({ action }) => action === "refuse");
  if (refusing.length === 0) return;
  throw new RegistryError({
    code: "POLICY_REFUSED",
    message: `Cannot publish "${name}" ${version}: ${refusing.map(({ problem }) => problem).join("; ")}`,
    hint: "The operator of this registry decides what it takes",
    rules: refusing.map(({ rule }) => rule),
    ...(similar.length === 0 ? {} : { similar: [...similar] }),
  });
}

function nameTaken({ name }: { readonly name: string }): RegistryError {
  return new RegistryError({
    code: "NAME_RESERVED",
    message: `Cannot create package "${name}": the name is taken`,
    hint: "Choose another name",
  });
}

/** Judges publications by the operator's rules, and leads those that wait through their review. */
export class ReviewService {
  readonly #ports: Ports;
  #popular: { readonly names: readonly CanonicalName[]; readonly until: number } | undefined;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /**
   * What the rules object to that makes a publication wait.
   * @throws {RegistryError} `POLICY_REFUSED`
   */
  async judge(
    publication: Pick<Publication, "name" | "canonical" | "version" | "account">,
    { license, isNew }: { readonly license: string | undefined; readonly isNew: boolean },
  ): Promise<readonly PolicyFinding[]> {
    const { canonical } = publication;
    const { rules } = this.#ports;
    const wanted = isNew && rulesFor(rules, { canonical, isNew }).some((rule) => rule.similarNames !== undefined);
    const similar = wanted ? await this.#similar(publication) : [];
    const findings = judgePublication(rules, { canonical, isNew, license, similar });
    refuse(publication, findings, similar);
    return findings;
  }

  /**
   * As {@link judge}, by the name alone, before there is a package to look into.
   * @throws {RegistryError} `POLICY_REFUSED`
   */
  async judgeName(
    publication: Pick<Publication, "name" | "canonical" | "version" | "account">,
    isNew: boolean,
  ): Promise<void> {
    const { canonical } = publication;
    const { rules } = this.#ports;
    if (!isNew || !rulesFor(rules, { canonical, isNew }).some((rule) => rule.similarNames === "refuse")) return;
    const similar = await this.#similar(publication);
    const findings = judgePublication(rules, { canonical, isNew, license: undefined, similar });
    refuse(
      publication,
      findings.filter(({ rule }) => rule === "similar-name"),
      similar,
    );
  }

  async #similar({ canonical, account }: Pick<Publication, "canonical" | "account">): Promise<readonly string[]> {
    const found = similarNames(canonical, await this.#popularNames());
    const owned = await Promise.all(found.map((name) => this.#owns(account, name)));
    return found.filter((_, at) => owned[at] !== true).slice(0, 5);
  }

  async #popularNames(): Promise<readonly CanonicalName[]> {
    const { metadata, clock } = this.#ports;
    if (this.#popular !== undefined && this.#popular.until > clock.now()) return this.#popular.names;
    const query = { text: "", publishedOnly: true, sort: "downloads", page: 1, perPage: POPULAR_NAMES } as const;
    const { items } = await metadata.search(query);
    this.#popular = { names: items.map(({ canonical }) => canonical), until: clock.now() + POPULAR_TTL_MS };
    return this.#popular.names;
  }

  /**
   * The review in which these very bytes wait; `undefined` where nothing of the version does.
   * @throws {RegistryError} `VERSION_EXISTS`: other bytes wait; `PUBLICATION_REJECTED`; `NAME_RESERVED`: the name waits for
   * somebody else
   */
  async waiting(publication: Publication, isOwned: boolean): Promise<Review | undefined> {
    const { reviews } = this.#ports.metadata;
    const { canonical, version, account, name } = publication;
    if (!isOwned) await this.requireFreeName(name, canonical, account);
    const outcome = outcomeForReviewed(await reviews.reviewsOf(canonical, version), publication);
    if (outcome?.status === "conflict") throw conflict(publication, outcome);
    // Whose name is new again, after another's was rejected, is told nothing of that.
    if (outcome?.status === "rejected" && (isOwned || outcome.review.publication.account.id === account.id))
      throw rejected(outcome.review);
    return outcome?.status === "same" ? outcome.review : undefined;
  }

  /**
   * That nothing waits under a new name for another account.
   * @throws {RegistryError} `NAME_RESERVED`
   */
  async requireFreeName(name: string, canonical: CanonicalName, account: Pick<Account, "id">): Promise<void> {
    const submitters = await this.#ports.metadata.reviews.submittersOf(canonical);
    if (submitters.some((id) => id !== account.id)) throw nameTaken({ name });
  }

  /**
   * Holds a publication for its reviewers.
   * @throws {RegistryError} as {@link waiting}, `NOT_OWNER`
   */
  async submit(
    publication: Publication,
    findings: readonly PolicyFinding[],
  ): Promise<{ readonly created: boolean; readonly review: Review }> {
    const { metadata, gate } = this.#ports;
    const { artifact, audit } = publication;
    const files = [artifact.blob, artifact.statement].filter((digest) => digest !== undefined);
    const details = { ...audit.details, findings: findings.map(({ rule, problem }) => ({ rule, problem })) };
    // Closed before there is a trace of it, so that nobody can have read what they may not.
    const outcome = await gate.holding(files, () =>
      metadata.reviews.submit({
        id: randomId(),
        publication,
        findings,
        audit: { ...audit, action: "review.submit", details },
      }),
    );
    switch (outcome.status) {
      case "held":
      case "same":
        return { created: outcome.status === "held", review: outcome.review };
      case "rejected":
        throw rejected(outcome.review);
      case "conflict":
        throw conflict(publication, outcome);
      case "name-taken":
        throw nameTaken(publication);
      case "not-owner":
        throw new RegistryError({
          code: "NOT_OWNER",
          message: `Cannot publish to package "${publication.name}": it belongs to others`,
          hint: "Ask an owner to add you, or choose another name",
        });
    }
  }

  /** Names under which rules may name this caller as a reviewer. */
  async #reviewerNames({ account }: Principal): Promise<readonly string[]> {
    const groups = await this.#ports.groups.groupsOf(account.id);
    return [account.username, ...groups.map((group) => `group:${group}`)];
  }

  /** The reviews that concern the caller, newest first: all for admins. */
  async list(
    principal: Principal,
    query: PageRequest & { readonly states?: readonly ReviewState[]; readonly package?: CanonicalName },
  ): Promise<Page<Review>> {
    const { reviews } = this.#ports.metadata;
    if (administers(principal)) return reviews.reviews(query);
    const visibleTo = { accountId: principal.account.id, reviewers: await this.#reviewerNames(principal) };
    const { items, total } = await reviews.reviews({ ...query, visibleTo });
    // The store knows who was made an owner, and not who lost that by leaving the organisation of a namespace.
    const visible = await Promise.all(items.map((review) => this.#maySee(principal, review)));
    const shown = items.filter((_, at) => visible[at]);
    return { items: shown, total: total - items.length + shown.length };
  }

  /** Whether an account has the rights of a package's owners: itself, or through a team or an organisation. */
  async #owns(account: Account, canonical: CanonicalName): Promise<boolean> {
    return (await this.#ports.rights.on(account, canonical)).scopes.has("owner");
  }

  async #maySee(principal: Principal, review: Review): Promise<boolean> {
    const { account, canonical } = review.publication;
    if (account.id === principal.account.id || (await this.#mayDecide(principal, review))) return true;
    return this.#owns(principal.account, canonical);
  }

  /**
   * A review that the caller may see: publisher, owners, reviewers, admins.
   * @throws {RegistryError} `REVIEW_NOT_FOUND`, also for what others may see
   */
  async review(principal: Principal, id: string): Promise<Review> {
    const review = await this.#ports.metadata.reviews.review(id);
    if (review === undefined || !(await this.#maySee(principal, review))) throw notFound(id);
    return review;
  }

  async #mayDecide(principal: Principal, { findings, publication }: Review): Promise<boolean> {
    if (administers(principal, publication.canonical)) return true;
    const names = await this.#reviewerNames(principal);
    return findings.some(({ reviewers }) => reviewers.some((reviewer) => names.includes(reviewer)));
  }

  async #requireReviewer(principal: Principal, review: Review): Promise<void> {
    const { publication } = review;
    requireScope(principal, "owner", publication.canonical);
    if (!(await this.#mayDecide(principal, review))) {
      throw new RegistryError({
        code: "FORBIDDEN",
        message: `Cannot decide about ${shown(publication)}: "${principal.account.username}" is not one of its reviewers`,
        hint: "Ask a reviewer, or an admin of the registry",
        needed: "reviewer",
      });
    }
    if (publication.account.id !== principal.account.id) return;
    throw new RegistryError({
      code: "REVIEWER_IS_PUBLISHER",
      message: `Cannot decide about ${shown(publication)}: "${principal.account.username}" published it`,
      hint: "Ask another reviewer",
    });
  }

  #step(action: keyof typeof STARTS, review: Review, audit: AuditEntry): ReviewStep {
    const { id, publication } = review;
    const { name, version, artifact } = publication;
    const details = { review: id, target: artifact.target, blob: artifact.blob, ...audit.details };
    return {
      id,
      audit: { ...audit, action: `review.${action}`, package: name, version, details },
      check: ({ state }: Review): void => {
        if (STARTS[action].includes(state)) return;
        throw new RegistryError({
          code: "REVIEW_DECIDED",
          message: `Cannot ${action} ${shown(publication)}: its review is "${state}", needed is ${STARTS[action].map((each) => `"${each}"`).join(" or ")}`,
          state,
        });
      },
    };
  }

  /**
   * Publishes what waits.
   * @throws {RegistryError} `REVIEW_NOT_FOUND`, `FORBIDDEN`, `REVIEWER_IS_PUBLISHER`, `REVIEW_DECIDED`; `REVIEW_BLOCKED`: what is
   * published by now leaves no room for it, its publisher's account was deleted, or `belongsHere` says that its name went
   * elsewhere meanwhile
   */
  async approve(
    principal: Principal,
    id: string,
    audit: AuditEntry,
    belongsHere: (canonical: CanonicalName) => boolean = () => true,
  ): Promise<Review> {
    const review = await this.review(principal, id);
    await this.#requireReviewer(principal, review);
    if (!belongsHere(review.publication.canonical))
      throw blocked(review, "the access rules keep its name in another tree by now");
    const { metadata, index, trust, gate } = this.#ports;
    const done = await metadata.reviews.approve(this.#step("approve", review, audit));
    if (done === undefined) throw notFound(id);
    requirePublished(review, done.outcome);
    await gate.refresh();
    await index.refresh(review.publication.canonical);
    index.saveSoon();
    trust?.changedSoon();
    return done.review;
  }

  /** @throws {RegistryError} `REVIEW_NOT_FOUND`, `FORBIDDEN`, `REVIEWER_IS_PUBLISHER`, `REVIEW_DECIDED` */
  async reject(principal: Principal, id: string, reason: string, audit: AuditEntry): Promise<Review> {
    const review = await this.review(principal, id);
    await this.#requireReviewer(principal, review);
    const step = this.#step("reject", review, { ...audit, details: { reason } });
    const done = await this.#ports.metadata.reviews.reject({ ...step, reason });
    if (done === undefined) throw notFound(id);
    return done;
  }

  /**
   * Answers a rejection, which takes name and number again where they are free still.
   * @throws {RegistryError} `REVIEW_NOT_FOUND`, `FORBIDDEN`: somebody else's; `REVIEW_DECIDED`; `VERSION_EXISTS`, `NAME_RESERVED`
   */
  async appeal(principal: Principal, id: string, text: string, audit: AuditEntry): Promise<Review> {
    const review = await this.review(principal, id);
    const { publication } = review;
    requireScope(principal, "publish", publication.canonical);
    if (publication.account.id !== principal.account.id) {
      throw new RegistryError({
        code: "FORBIDDEN",
        message: `Cannot appeal for ${shown(publication)}: "${publication.account.username}" published it`,
        needed: "publisher",
      });
    }
    const { metadata } = this.#ports;
    const step = this.#step("appeal", review, { ...audit, details: { text } });
    const isOwned = (await metadata.package(publication.canonical)) !== undefined;
    const done = await metadata.reviews.appeal({
      ...step,
      text,
      check: (current, others) => {
        step.check(current, others);
        requireRoom(publication, others, isOwned);
      },
    });
    if (done === undefined) throw notFound(id);
    return done;
  }
}

/** That name and number are free for what was rejected once. */
function requireRoom(publication: Publication, others: readonly Review[], isOwned: boolean): void {
  const { account, version } = publication;
  if (!isOwned && others.some((other) => other.publication.account.id !== account.id)) throw nameTaken(publication);
  const rivals = others.filter((other) => other.publication.version === version);
  const outcome = outcomeForReviewed(rivals, publication);
  if (outcome?.status === "conflict") throw conflict(publication, outcome);
}

function requirePublished({ publication }: Review, outcome: ApproveOutcome): void {
  if (outcome.status === "created" || outcome.status === "same") return;
  if (outcome.status === "publisher-deleted")
    throw blocked({ publication }, `the account of "${publication.account.username}", its publisher, was deleted`);
  const why =
    outcome.status === "not-owner"
      ? `"${publication.account.username}" is not an owner of the package`
      : `other bytes of it are published since ${new Date(outcome.version.published).toISOString()}`;
  throw blocked({ publication }, why);
}

function blocked({ publication }: Pick<Review, "publication">, why: string): RegistryError {
  return new RegistryError({
    code: "REVIEW_BLOCKED",
    message: `Cannot publish ${shown(publication)}: ${why}`,
    hint: "Reject it with this reason",
  });
}
