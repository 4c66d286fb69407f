import { tryParseDigest, type Digest } from "@lading/core-manifest";
import type { CallOptions, DownloadOptions, Page, PublicationReview, ReviewQuery, ReviewStep } from "./client-types.ts";
import { downloadFrom } from "./downloads.ts";
import { answerReader, isObject, optional, optionalString, stringList } from "./json.ts";
import type { Session } from "./session.ts";

const reviewPath = (id: string): string => `reviews/${encodeURIComponent(id)}`;

function parseReview(session: Session, value: unknown, action: string): PublicationReview {
  const read = answerReader(action, session.registry.name);
  const body = read.object(value, "the review");
  const text = (key: string): string => read.string(body[key], `"${key}"`);
  const artifact = read.object(body.artifact, '"artifact"');
  const findings = read.array(body.findings, '"findings"').filter(isObject);
  return {
    id: text("id"),
    state: text("state"),
    name: text("name"),
    version: text("version"),
    target: text("target"),
    publisher: text("publisher"),
    findings: findings.map((finding) => ({
      rule: read.string(finding.rule, '"rule"'),
      problem: read.string(finding.problem, '"problem"'),
    })),
    artifact: {
      blob: tryParseDigest(artifact.blob) ?? (read.string(undefined, '"artifact.blob"') as Digest),
      size: read.number(artifact.size, '"artifact.size"'),
    },
    signers: stringList(body.signers),
    submitted: text("submitted"),
    updated: text("updated"),
    ...optional("decidedBy", optionalString(body.decided_by)),
    ...optional("reason", optionalString(body.reason)),
    ...optional("appeal", optionalString(body.appeal)),
  };
}

/** One page of the reviews that concern the caller. */
export async function reviews(
  session: Session,
  query: ReviewQuery,
  options: CallOptions,
): Promise<Page<PublicationReview>> {
  const action = "list reviews";
  const { state, package: name, page, perPage } = query;
  const asked = { state, package: name, page, per_page: perPage };
  const answer = await session.demand({ method: "GET", path: "reviews", query: asked, action }, options);
  const read = answerReader(action, session.registry.name);
  const body = read.object(answer.body, "the answer");
  return {
    items: read.array(body.items, '"items"').map((item) => parseReview(session, item, action)),
    page: read.number(body.page, '"page"'),
    perPage: read.number(body.per_page, '"per_page"'),
    total: read.number(body.total, '"total"'),
  };
}

/** One review. */
export async function review(session: Session, id: string, options: CallOptions): Promise<PublicationReview> {
  const action = `show review "${id}"`;
  const answer = await session.demand({ method: "GET", path: reviewPath(id), action }, options);
  return parseReview(session, answer.body, action);
}

/** Downloads the package file that waits. */
export async function downloadReviewed(
  session: Session,
  { id, name, version, artifact }: PublicationReview,
  destination: string,
  options: DownloadOptions,
): Promise<void> {
  const action = `download "${name}" ${version}`;
  const url = await session.apiUrl({ path: `${reviewPath(id)}/download`, action }, options);
  const named = { ...artifact, package: `${name} ${version}` };
  await downloadFrom(session, url, { artifact: named, destination }, options);
}

/** A step of a review. */
export async function decideReview(
  session: Session,
  { id, step, text }: { readonly id: string; readonly step: ReviewStep; readonly text: string | undefined },
  options: CallOptions,
): Promise<PublicationReview> {
  const action = `${step} review "${id}"`;
  const body = { approve: undefined, reject: { reason: text }, appeal: { text } }[step];
  const call = { method: "POST", path: `${reviewPath(id)}/${step}`, action } as const;
  const answer = await session.demand(body === undefined ? call : { ...call, body }, options);
  return parseReview(session, answer.body, action);
}
