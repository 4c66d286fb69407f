import { sql, type Kysely, type RawBuilder, type Selectable, type Transaction } from "kysely";
import { Prepared } from "./prepared.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

const APPEND = new Prepared<{ entry: Uint8Array }, { id: number }>(
  (_, place) => sql`insert into log_entries (id, entry)
    values ((select coalesce(max(id), -1) + 1 from log_entries), ${place("entry")}) returning id`,
);
const PACKAGE = new Prepared<{ canonical: string }, Selectable<Tables["packages"]>>((db, place) =>
  db.selectFrom("packages").selectAll().where("canonical", "=", place("canonical")),
);
const OWNER = new Prepared<{ packageId: number; accountId: string }, { account_id: string }>((db, place) =>
  db
    .selectFrom("owners")
    .select("account_id")
    .where("package_id", "=", place("packageId"))
    .where("account_id", "=", place("accountId")),
);
const OWNERS = new Prepared<{ canonical: string }, { username: string }>((db, place) =>
  db
    .selectFrom("owners")
    .innerJoin("packages", "packages.id", "owners.package_id")
    .innerJoin("accounts", "accounts.id", "owners.account_id")
    .select("accounts.username")
    .where("packages.canonical", "=", place("canonical"))
    .orderBy("owners.position"),
);

/** Appends to the log; one writer at a time makes the next index the number of entries. */
export async function appendEntry(session: Session, entry: Uint8Array): Promise<number> {
  return (await APPEND.first(session, { entry: Buffer.from(entry) }))!.id;
}

/** A package by its canonical name. */
export async function packageRow(
  session: Session,
  canonical: string,
): Promise<Selectable<Tables["packages"]> | undefined> {
  return PACKAGE.first(session, { canonical });
}

/** Whether the account itself is one of a package's owners. */
export async function isOwner(session: Session, packageId: number, accountId: string): Promise<boolean> {
  return (await OWNER.first(session, { packageId, accountId })) !== undefined;
}

/** User names of the accounts that own a package, in order of their addition. */
export async function ownersOf(session: Session, canonical: string): Promise<readonly string[]> {
  const rows = await OWNERS.all(session, { canonical });
  return rows.map((row) => row.username);
}

/** How many owners a package has, accounts and teams. */
export async function ownerCount(session: Session, packageId: number): Promise<number> {
  const { rows } = await sql<{ total: number }>`select
    (select count(*) from owners where package_id = ${packageId})
    + (select count(*) from owner_teams where package_id = ${packageId}) as total`.execute(session);
  return rows[0]!.total;
}

/** Place of an owner that is added now: behind accounts and teams. */
export function nextPosition(packageId: number): RawBuilder<number> {
  return sql<number>`(select coalesce(max(position), 0) + 1 from
    (select position from owners where package_id = ${packageId}
     union all select position from owner_teams where package_id = ${packageId}) as places)`;
}
