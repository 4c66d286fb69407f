import { sql, type Kysely, type Selectable, type Transaction } from "kysely";
import type { CanonicalName, Version } from "@lading/core-manifest";
import type { PolicyFinding } from "../governance/publication-policy.ts";
import { agreed, outcomeForReviewed } from "../governance/review-rules.ts";
import {
  OPEN_STATES,
  type ApproveOutcome,
  type Review,
  type ReviewQuery,
  type ReviewState,
  type ReviewStep,
  type ReviewStore,
  type Submission,
  type SubmitOutcome,
} from "../governance/review-store.ts";
import type { Publication, PublishOutcome } from "../ports.ts";
import type { AuditEntry, Page } from "../records.ts";
import { Prepared } from "./prepared.ts";
import { record } from "./sql-audit.ts";
import { requireRoomIn } from "./sql-quotas.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type Row = Selectable<Tables["reviews"]> & { readonly username: string };

/** Publishes within a transaction that is under way. */
export type PublishIn = (session: Transaction<Tables>, publication: Publication) => Promise<PublishOutcome>;

function reviewRows(session: Session) {
  return session
    .selectFrom("reviews")
    .innerJoin("accounts", "accounts.id", "reviews.account_id")
    .selectAll("reviews")
    .select("accounts.username");
}

// Asked at every publication; hardly any has one.
const REVIEWS_OF_VERSION = new Prepared<{ canonical: string; version: string }, Row>((db, place) =>
  reviewRows(db)
    .where("canonical", "=", place("canonical"))
    .where("version", "=", place("version"))
    .where("state", "!=", "published")
    .orderBy("submitted", "desc")
    .orderBy("reviews.id"),
);

function toReview(row: Row): Review {
  const stored = JSON.parse(row.publication) as Omit<Publication, "account">;
  const account = { id: row.account_id, username: row.username, passwordHash: "", admin: false, created: 0 };
  return {
    id: row.id,
    state: row.state as ReviewState,
    publication: { ...stored, account },
    findings: JSON.parse(row.findings) as PolicyFinding[],
    submitted: row.submitted,
    updated: row.updated,
    ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.appeal === null ? {} : { appeal: row.appeal }),
  };
}

async function reviewIn(session: Session, id: string): Promise<Review | undefined> {
  const row = await reviewRows(session).where("reviews.id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toReview(row);
}

/** The reviews of a version that have not ended in its publication. */
async function reviewsOfVersion(session: Session, canonical: string, version: string): Promise<readonly Review[]> {
  return (await REVIEWS_OF_VERSION.all(session, { canonical, version })).map(toReview);
}

async function reviewsIn(session: Session, canonical: string): Promise<readonly Review[]> {
  const rows = await reviewRows(session)
    .where("canonical", "=", canonical)
    .where("state", "!=", "published")
    .orderBy("submitted", "desc")
    .orderBy("reviews.id")
    .execute();
  return rows.map(toReview);
}

function isOpen({ state }: Review): boolean {
  return OPEN_STATES.includes(state);
}

async function checkedReview(
  session: Session,
  { id, check }: Pick<ReviewStep, "id" | "check">,
): Promise<Review | undefined> {
  const current = await reviewIn(session, id);
  if (current === undefined) return undefined;
  const others = await reviewsIn(session, current.publication.canonical);
  check(
    current,
    others.filter((other) => other.id !== id && isOpen(other)),
  );
  return current;
}

async function isDeleted(session: Session, accountId: string): Promise<boolean> {
  const { deleted } = await session
    .selectFrom("accounts")
    .select("deleted")
    .where("id", "=", accountId)
    .executeTakeFirstOrThrow();
  return deleted !== null;
}

async function ownership(
  session: Session,
  { canonical, account, override }: Publication,
): Promise<"not-owner" | "name-taken" | undefined> {
  const owners = await session
    .selectFrom("packages")
    .leftJoin("owners", "owners.package_id", "packages.id")
    .select("owners.account_id")
    .where("packages.canonical", "=", canonical)
    .execute();
  if (owners.length > 0) {
    return override || owners.some((owner) => owner.account_id === account.id) ? undefined : "not-owner";
  }
  const waiting = await reviewsIn(session, canonical);
  const others = waiting.filter((review) => isOpen(review) && review.publication.account.id !== account.id);
  return others.length === 0 ? undefined : "name-taken";
}

async function insertReview(session: Session, { id, publication, findings, audit }: Submission): Promise<void> {
  const { account, artifact, canonical, version } = publication;
  const { account: _, quotas: _quotas, ...stored } = publication;
  await session
    .insertInto("reviews")
    .values({
      id,
      canonical,
      version,
      state: "held",
      account_id: account.id,
      publication: JSON.stringify(stored),
      findings: JSON.stringify(findings),
      blob: artifact.blob,
      statement: artifact.statement ?? null,
      readme: artifact.readme ?? null,
      submitted: audit.at,
      updated: audit.at,
    })
    .execute();
  for (const reviewer of new Set(findings.flatMap(({ reviewers }) => reviewers)))
    await session.insertInto("review_reviewers").values({ review_id: id, reviewer }).execute();
}

/** The {@link ReviewStore} over SQL. */
export class SqlReviewStore implements ReviewStore {
  readonly #engine: SqlEngine;
  readonly #publish: PublishIn;

  constructor(engine: SqlEngine, publish: PublishIn) {
    this.#engine = engine;
    this.#publish = publish;
  }

  async submit(submission: Submission): Promise<SubmitOutcome> {
    const { publication, id, audit } = submission;
    return this.#engine.write(async (session): Promise<SubmitOutcome> => {
      const barred = await ownership(session, publication);
      if (barred !== undefined) return { status: barred };
      const known = await reviewsOfVersion(session, publication.canonical, publication.version);
      const decided = outcomeForReviewed(known, publication);
      if (decided !== undefined) return decided;
      await requireRoomIn(session, publication, { engine: this.#engine });
      await insertReview(session, submission);
      await record(session, audit);
      return { status: "held", review: (await reviewIn(session, id))! };
    });
  }

  async review(id: string): Promise<Review | undefined> {
    return reviewIn(this.#engine.db, id);
  }

  async reviews({ states, package: canonical, visibleTo, page, perPage }: ReviewQuery): Promise<Page<Review>> {
    const conditions = [
      sql`1 = 1`,
      ...(states === undefined ? [] : [sql`reviews.state in ${this.#engine.texts(states)}`]),
      ...(canonical === undefined ? [] : [sql`reviews.canonical = ${canonical}`]),
      ...(visibleTo === undefined
        ? []
        : [
            sql`(reviews.account_id = ${visibleTo.accountId}
              or reviews.id in (select review_id from review_reviewers where reviewer in ${this.#engine.texts(visibleTo.reviewers)})
              or reviews.canonical in (select packages.canonical from packages
                join owners on owners.package_id = packages.id where owners.account_id = ${visibleTo.accountId}))`,
          ]),
    ];
    const where = sql<boolean>`${sql.join(conditions, sql` and `)}`;
    const rows = await reviewRows(this.#engine.db)
      .where(where)
      .orderBy("submitted", "desc")
      .orderBy("reviews.id")
      .limit(perPage)
      .offset((page - 1) * perPage)
      .execute();
    const { total } = await this.#engine.db
      .selectFrom("reviews")
      .where(where)
      .select((eb) => eb.fn.countAll<number>().as("total"))
      .executeTakeFirstOrThrow();
    return { items: rows.map(toReview), total };
  }

  async reviewsOf(canonical: CanonicalName, version: Version): Promise<readonly Review[]> {
    return reviewsOfVersion(this.#engine.db, canonical, version);
  }

  async submittersOf(canonical: CanonicalName): Promise<readonly string[]> {
    const rows = await this.#engine.db
      .selectFrom("reviews")
      .select("account_id")
      .distinct()
      .where("canonical", "=", canonical)
      .where("state", "in", OPEN_STATES)
      .orderBy("account_id")
      .execute();
    return rows.map((row) => row.account_id);
  }

  async approve({
    id,
    audit,
    check,
  }: ReviewStep): Promise<{ readonly review: Review; readonly outcome: ApproveOutcome } | undefined> {
    return this.#engine.write(async (session) => {
      const current = await checkedReview(session, { id, check });
      if (current === undefined) return undefined;
      if (await isDeleted(session, current.publication.account.id))
        return { review: current, outcome: { status: "publisher-deleted" } };
      const outcome = await this.#publish(session, agreed(current, audit));
      if (outcome.status !== "created" && outcome.status !== "same") return { review: current, outcome };
      const review = await this.#step(session, { id, audit }, { state: "published", decided_by: audit.actor });
      return { review, outcome };
    });
  }

  async reject({ id, audit, check, reason }: ReviewStep & { readonly reason: string }): Promise<Review | undefined> {
    return this.#engine.write(async (session) => {
      const current = await checkedReview(session, { id, check });
      if (current === undefined) return undefined;
      return this.#step(session, { id, audit }, { state: "rejected", decided_by: audit.actor, reason });
    });
  }

  async forget({
    id,
    state,
    updated,
    audit,
  }: Pick<Review, "id" | "state" | "updated"> & { readonly audit: AuditEntry }): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const current = await reviewIn(session, id);
      if (current?.state !== state || current.updated !== updated) return false;
      await session.deleteFrom("review_reviewers").where("review_id", "=", id).execute();
      await session.deleteFrom("reviews").where("id", "=", id).execute();
      await record(session, audit);
      return true;
    });
  }

  async appeal({ id, audit, check, text }: ReviewStep & { readonly text: string }): Promise<Review | undefined> {
    return this.#engine.write(async (session) => {
      const current = await checkedReview(session, { id, check });
      if (current === undefined) return undefined;
      return this.#step(session, { id, audit }, { state: "appealed", appeal: text });
    });
  }

  async #step(
    session: Transaction<Tables>,
    { id, audit }: Pick<ReviewStep, "id" | "audit">,
    change: {
      readonly state: ReviewState;
      readonly decided_by?: string;
      readonly reason?: string;
      readonly appeal?: string;
    },
  ): Promise<Review> {
    await session
      .updateTable("reviews")
      .set({ ...change, updated: audit.at })
      .where("id", "=", id)
      .execute();
    await record(session, audit);
    return (await reviewIn(session, id))!;
  }

  async heldBlobs(): Promise<readonly string[]> {
    const { rows } = await sql<{ digest: string }>`
      select distinct digest from (
        select blob as digest from reviews where state <> 'published'
        union select statement from reviews where state <> 'published' and statement is not null
        union select readme from reviews where state <> 'published' and readme is not null
      ) as held
      where not exists (select 1 from artifacts where artifacts.blob = digest)
        and not exists (select 1 from artifacts where artifacts.statement = digest)
        and not exists (select 1 from artifacts where artifacts.readme = digest)
      order by digest`.execute(this.#engine.db);
    return rows.map(({ digest }) => digest);
  }
}

/** Digests of everything that a publication which waits, or was rejected, needs. */
export async function reviewedArtifacts(session: Session): Promise<readonly Publication["artifact"][]> {
  const rows = await session.selectFrom("reviews").select("publication").where("state", "!=", "published").execute();
  return rows.map(({ publication }) => (JSON.parse(publication) as Pick<Publication, "artifact">).artifact);
}
