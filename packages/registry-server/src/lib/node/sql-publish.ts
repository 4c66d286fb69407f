import { sql, type Kysely, type Selectable, type Transaction } from "kysely";
import { LATEST_CHANNEL, channelsAfter, latestVersion, splitName, type CanonicalName } from "@lading/core-manifest";
import type { Publication, PublishOutcome } from "../ports.ts";
import { firstRecord, headlineOf, outcomeForKnown, termsOf, type Headline } from "../publication-rules.ts";
import type { Account, VersionRecord } from "../records.ts";
import { channelEntry, publishEntry } from "../trust/log-entries.ts";
import { Prepared } from "./prepared.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine, TextIndex } from "./sql-engine.ts";
import { appendEntry, isOwner, packageRow } from "./sql-packages.ts";
import { requireRoomIn } from "./sql-quotas.ts";
import { toSummary } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";
import { insertArtifact, insertVersion, statusOf, storedVersion, versionOf } from "./sql-versions.ts";

type PackageRow = Selectable<Tables["packages"]>;
type Channels = Readonly<Record<string, string>>;

interface Change {
  readonly packageId: number;
  readonly canonical: string;
  readonly at: number;
}

type HeadlineColumns = Pick<PackageRow, "latest" | "title" | "description" | "license" | "keywords" | "categories">;

const SET_HEADLINE = new Prepared<HeadlineColumns & { id: number; at: number }, Pick<PackageRow, "name" | "sequence">>(
  (db, place) =>
    db
      .updateTable("packages")
      .set((eb) => ({
        sequence: eb("sequence", "+", 1),
        updated: place("at"),
        latest: place("latest"),
        title: place("title"),
        description: place("description"),
        license: place("license"),
        keywords: place("keywords"),
        categories: place("categories"),
      }))
      .where("id", "=", place("id"))
      .returning(["sequence", "name"]),
);
const COUNT_UP = new Prepared<{ id: number; at: number }, Pick<PackageRow, "sequence">>((db, place) =>
  db
    .updateTable("packages")
    .set((eb) => ({ sequence: eb("sequence", "+", 1), updated: place("at") }))
    .where("id", "=", place("id"))
    .returning("sequence"),
);
const DROP_TERMS = new Prepared<{ packageId: number }, unknown>((db, place) =>
  db.deleteFrom("package_terms").where("package_id", "=", place("packageId")),
);
const INSERT_TERM = new Prepared<Tables["package_terms"], unknown>((db, place) =>
  db
    .insertInto("package_terms")
    .values({ package_id: place("package_id"), kind: place("kind"), term: place("term") })
    .onConflict((clash) => clash.doNothing()),
);
const OUTBOX = new Prepared<{ canonical: string }, unknown>((db, place) =>
  db.insertInto("outbox").values([
    { kind: "index", canonical: place("canonical") },
    { kind: "metadata", canonical: place("canonical") },
  ]),
);
// Not the database's own counter, which leaves a gap where a transaction is undone: pages of the feed are full for ever.
const FEED = new Prepared<{ canonical: string; sequence: number; at: number }, unknown>(
  (_, place) => sql`insert into feed (id, canonical, sequence, at)
    values ((select coalesce(max(id), 0) + 1 from feed), ${place("canonical")}, ${place("sequence")}, ${place("at")})`,
);

/**
 * Adds a package without versions, and its owner; searches do not find it yet.
 * @returns its id
 */
export async function insertPackage(
  session: Transaction<Tables>,
  entry: {
    readonly name: string;
    readonly canonical: CanonicalName;
    readonly skeleton: string;
    readonly account: Account;
  },
  at: number,
): Promise<number> {
  const { id } = await session
    .insertInto("packages")
    .values({
      canonical: entry.canonical,
      name: entry.name,
      namespace: splitName(entry.canonical).namespace ?? "",
      skeleton: entry.skeleton,
      sequence: 0,
      keywords: "[]",
      categories: "[]",
      downloads: 0,
      created: at,
      updated: at,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await session.insertInto("owners").values({ package_id: id, account_id: entry.account.id, position: 0 }).execute();
  return id;
}

function channelsText(channels: Channels): string | null {
  return Object.keys(channels).length === 0 ? null : JSON.stringify(channels);
}

/** Sets the channels of a package that are set: without a pin, `latest` is not among them. */
export async function setChannels(session: Kysely<Tables>, packageId: number, channels: Channels): Promise<void> {
  await session
    .updateTable("packages")
    .set({ channels: channelsText(channels) })
    .where("id", "=", packageId)
    .execute();
}

function columnsOf(headline: Headline): HeadlineColumns {
  return {
    latest: headline.latest ?? null,
    title: headline.title ?? null,
    description: headline.description ?? null,
    license: headline.license ?? null,
    keywords: JSON.stringify(headline.keywords),
    categories: JSON.stringify(headline.categories),
  };
}

/** The headline of a package from all of its versions. */
async function headlineNow(session: Kysely<Tables>, packageId: number): Promise<Headline> {
  const heads = await session
    .selectFrom("versions")
    .select(["version", "status"])
    .where("package_id", "=", packageId)
    .execute();
  const { channels } = await session
    .selectFrom("packages")
    .select("channels")
    .where("id", "=", packageId)
    .executeTakeFirstOrThrow();
  const pinned = channels === null ? undefined : (JSON.parse(channels) as Channels)[LATEST_CHANNEL];
  const latest = latestVersion(heads, pinned);
  const manifest = latest === undefined ? undefined : (await versionOf(session, packageId, latest))?.manifest;
  return headlineOf(latest, manifest);
}

// Search rows and the outbox belong to the transaction of the change: a crash can lose neither alone.
async function announce(session: Kysely<Tables>, { canonical, at }: Change, sequence: number): Promise<void> {
  await OUTBOX.all(session, { canonical });
  await FEED.all(session, { canonical, sequence, at });
}

/** Writes a headline; what is searched by is written where it differs from what there was. */
async function setHeadline(
  session: Transaction<Tables>,
  change: Change,
  { headline, before }: { readonly headline: Headline; readonly before: PackageRow | undefined },
  index: TextIndex,
): Promise<number> {
  const { packageId, at } = change;
  const columns = columnsOf(headline);
  const { sequence, name } = (await SET_HEADLINE.first(session, { ...columns, id: packageId, at }))!;
  const { title = "", description = "", keywords } = headline;
  const differs = (...names: readonly (keyof HeadlineColumns)[]): boolean =>
    before === undefined || names.some((column) => before[column] !== columns[column]);
  if (differs("keywords", "categories")) {
    await DROP_TERMS.all(session, { packageId });
    for (const { kind, term } of termsOf(headline))
      await INSERT_TERM.all(session, { package_id: packageId, kind, term });
  }
  if (differs("title", "description", "keywords"))
    await index.put(session, { id: packageId, name, title, keywords: keywords.join(" "), description });
  await announce(session, change, sequence);
  return sequence;
}

/**
 * After a change of a package's versions, channels or policy: its headline, search rows, next sequence, outbox and feed.
 * @returns the sequence
 */
export async function refreshPackage(session: Transaction<Tables>, change: Change, index: TextIndex): Promise<number> {
  const headline = await headlineNow(session, change.packageId);
  return setHeadline(session, change, { headline, before: undefined }, index);
}

/**
 * The headline after a version was added that was not there; `undefined` where it stays. Of all versions before, the
 * latest stands for the others: {@link latestVersion} prefers it to each of them.
 */
async function headlineAfter(
  session: Kysely<Tables>,
  before: PackageRow | undefined,
  { version, manifest }: Publication,
  channels: Channels,
): Promise<Headline | undefined> {
  if (before === undefined || before.latest === null) return headlineOf(version, manifest);
  const former = await statusOf(session, before.id, before.latest);
  const heads = [...(former === undefined ? [] : [former]), { version, status: "active" }];
  return latestVersion(heads, channels[LATEST_CHANNEL]) === version ? headlineOf(version, manifest) : undefined;
}

/**
 * Publishes within a transaction: version, artefact, log entry, audit record, headline, search rows, outbox and feed, or
 * nothing.
 * @throws {RegistryError} `QUOTA_EXCEEDED`
 */
export async function publishIn(
  session: Transaction<Tables>,
  publication: Publication,
  engine: SqlEngine,
): Promise<PublishOutcome> {
  const { canonical, account, artifact, audit } = publication;
  const before = await packageRow(session, canonical);
  if (before !== undefined && !publication.override && !(await isOwner(session, before.id, account.id))) {
    return { status: "not-owner" };
  }
  const known = before && (await storedVersion(session, before.id, publication.version));
  const decided = known && outcomeForKnown(known.record, publication, before.sequence);
  if (decided !== undefined) return decided;
  const packageId = before?.id ?? (await insertPackage(session, publication, audit.at));
  await requireRoomIn(session, publication, { engine });
  const leaf = await appendEntry(session, publishEntry(publication));
  const versionId = known?.id ?? (await insertVersion(session, packageId, firstRecord(publication)));
  await insertArtifact(session, versionId, artifact, leaf);
  const change = { packageId, canonical, at: audit.at };
  const sequence = await moveOn(session, { change, before, publication, isNew: known === undefined }, engine.text);
  await record(session, audit);
  const version =
    known === undefined
      ? publishedRecord(publication, leaf)
      : (await versionOf(session, packageId, publication.version))!;
  return { status: "created", sequence, version };
}

function publishedRecord(publication: Publication, leaf: number): VersionRecord {
  return { ...firstRecord(publication), artifacts: [{ ...publication.artifact, leaf }] };
}

/** Channels, headline and sequence after a publication. */
async function moveOn(
  session: Transaction<Tables>,
  {
    change,
    before,
    publication,
    isNew,
  }: {
    readonly change: Change;
    readonly before: PackageRow | undefined;
    readonly publication: Publication;
    readonly isNew: boolean;
  },
  index: TextIndex,
): Promise<number> {
  const { channel, version, canonical, audit } = publication;
  const channels = channelsAfter(before && toSummary(before), publication);
  if (channelsText(channels) !== (before?.channels ?? null)) await setChannels(session, change.packageId, channels);
  if (channel !== undefined) await appendEntry(session, channelEntry({ channel, version }, canonical, audit));
  if (!isNew || channel !== undefined) return refreshPackage(session, change, index);
  const headline = await headlineAfter(session, before, publication, channels);
  if (headline !== undefined) return setHeadline(session, change, { headline, before }, index);
  const { sequence } = (await COUNT_UP.first(session, { id: change.packageId, at: change.at }))!;
  await announce(session, change, sequence);
  return sequence;
}
