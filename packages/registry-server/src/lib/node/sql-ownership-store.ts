import type { CanonicalName } from "@lading/core-manifest";
import type { Kysely, Selectable, Transaction } from "kysely";
import { groupOf } from "../organisations/organisation.ts";
import type { ClaimState, NameClaim, Transfer, TransferState } from "../organisations/ownership.ts";
import type { NewNameClaim, NewOwner, NewTransfer, OwnershipStore } from "../organisations/ownership-store.ts";
import type { Account, AuditEntry } from "../records.ts";
import { ownerEntry, teamOwnerEntry } from "../trust/log-entries.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { teamsOwning } from "./sql-organisation-store.ts";
import { appendEntry, isOwner, nextPosition, ownersOf, packageRow } from "./sql-packages.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

function transferRows(session: Session) {
  return session
    .selectFrom("package_transfers")
    .innerJoin("packages", "packages.id", "package_transfers.package_id")
    .innerJoin("accounts as senders", "senders.id", "package_transfers.sender_id")
    .leftJoin("accounts as receivers", "receivers.id", "package_transfers.account_id")
    .leftJoin("organisations", "organisations.id", "package_transfers.organisation_id")
    .select([
      "package_transfers.id",
      "package_transfers.created",
      "package_transfers.expires",
      "package_transfers.state",
      "packages.canonical",
      "senders.username as sender",
      "receivers.username as username",
      "organisations.name as organisation",
    ])
    .orderBy("package_transfers.created")
    .orderBy("package_transfers.id");
}

function toTransfer(row: {
  readonly id: string;
  readonly canonical: string;
  readonly sender: string;
  readonly username: string | null;
  readonly organisation: string | null;
  readonly created: number;
  readonly expires: number;
  readonly state: string;
}): Transfer {
  const { id, canonical, sender, username, organisation, created, expires, state } = row;
  return {
    id,
    package: canonical,
    sender,
    ...(username === null ? {} : { username }),
    ...(organisation === null ? {} : { organisation }),
    created,
    expires,
    state: state as TransferState,
  };
}

function claimRows(session: Session) {
  return session
    .selectFrom("name_claims")
    .innerJoin("packages", "packages.id", "name_claims.package_id")
    .innerJoin("accounts", "accounts.id", "name_claims.account_id")
    .selectAll("name_claims")
    .select(["packages.canonical", "accounts.username as claimant"])
    .orderBy("name_claims.created")
    .orderBy("name_claims.id");
}

function toClaim(
  row: Selectable<Tables["name_claims"]> & { readonly canonical: string; readonly claimant: string },
): NameClaim {
  const { id, canonical, claimant, reason, created, decidable, state, note, decided } = row;
  return {
    id,
    package: canonical,
    claimant,
    reason,
    created,
    decidable,
    state: state as ClaimState,
    ...(note === null ? {} : { note }),
    ...(decided === null ? {} : { decided }),
  };
}

interface Owned {
  readonly id: number;
  readonly canonical: CanonicalName;
}

async function addNew(session: Session, { id, canonical }: Owned, owner: NewOwner, audit: AuditEntry): Promise<void> {
  if ("account" in owner) {
    if (await isOwner(session, id, owner.account.id)) return;
    const row = { package_id: id, account_id: owner.account.id, position: nextPosition(id) };
    await session.insertInto("owners").values(row).execute();
    await appendEntry(session, ownerEntry("add", canonical, owner.account.username, audit));
    return;
  }
  if ((await teamsOwning(session, id)).some((team) => team.id === owner.team.id)) return;
  const row = { package_id: id, team_id: owner.team.id, position: nextPosition(id) };
  await session.insertInto("owner_teams").values(row).execute();
  await appendEntry(session, teamOwnerEntry("add", canonical, owner.team, audit));
}

/** Makes `owner` the only owner; the log has the new one before the old ones go. */
async function replaceOwners(session: Session, owned: Owned, owner: NewOwner, audit: AuditEntry): Promise<void> {
  const { id, canonical } = owned;
  const account = "account" in owner ? owner.account : undefined;
  const team = "team" in owner ? owner.team : undefined;
  const accounts = (await ownersOf(session, canonical)).filter((username) => username !== account?.username);
  const teams = (await teamsOwning(session, id)).filter(
    (known) => team === undefined || groupOf(known) !== groupOf(team),
  );
  await addNew(session, owned, owner, audit);
  for (const username of accounts) await appendEntry(session, ownerEntry("remove", canonical, username, audit));
  for (const old of teams) await appendEntry(session, teamOwnerEntry("remove", canonical, old, audit));
  await session
    .deleteFrom("owners")
    .where("package_id", "=", id)
    .$if(account !== undefined, (query) => query.where("account_id", "!=", account!.id))
    .execute();
  await session
    .deleteFrom("owner_teams")
    .where("package_id", "=", id)
    .$if(team !== undefined, (query) => query.where("team_id", "!=", team!.id))
    .execute();
}

async function ownedOf(session: Session, packageId: number): Promise<Owned> {
  const { canonical } = await session
    .selectFrom("packages")
    .select("canonical")
    .where("id", "=", packageId)
    .executeTakeFirstOrThrow();
  return { id: packageId, canonical: canonical as CanonicalName };
}

/** The {@link OwnershipStore} over SQL. */
export class SqlOwnershipStore implements OwnershipStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async offerTransfer(transfer: NewTransfer, audit: AuditEntry): Promise<"offered" | "exists"> {
    return this.#engine.write(async (session) => {
      const { id, canonical, senderId, accountId, organisationId, created, expires } = transfer;
      const { id: packageId } = (await packageRow(session, canonical))!;
      const open = await session
        .selectFrom("package_transfers")
        .select("id")
        .where("package_id", "=", packageId)
        .where("state", "=", "open")
        .where("expires", ">", created)
        .executeTakeFirst();
      if (open !== undefined) return "exists";
      await session
        .insertInto("package_transfers")
        .values({
          id,
          package_id: packageId,
          sender_id: senderId,
          account_id: accountId ?? null,
          organisation_id: organisationId ?? null,
          created,
          expires,
          state: "open",
        })
        .execute();
      await record(session, audit);
      return "offered";
    });
  }

  async transfer(id: string): Promise<Transfer | undefined> {
    const row = await transferRows(this.#engine.db).where("package_transfers.id", "=", id).executeTakeFirst();
    return row && toTransfer(row);
  }

  async transfersFor(accountId: string, organisations: readonly string[], now: number): Promise<readonly Transfer[]> {
    const rows = await transferRows(this.#engine.db)
      .where("package_transfers.state", "=", "open")
      .where("package_transfers.expires", ">", now)
      .where((eb) =>
        eb.or([
          eb("package_transfers.account_id", "=", accountId),
          eb("package_transfers.sender_id", "=", accountId),
          eb("organisations.name", "in", this.#engine.texts(organisations)),
        ]),
      )
      .execute();
    return rows.map(toTransfer);
  }

  async #end(session: Session, id: string, state: TransferState, { at }: AuditEntry): Promise<number | undefined> {
    const row = await session
      .updateTable("package_transfers")
      .set({ state })
      .where("id", "=", id)
      .where("state", "=", "open")
      .where("expires", ">", at)
      .returning("package_id")
      .executeTakeFirst();
    return row?.package_id;
  }

  async acceptTransfer(id: string, owner: NewOwner, audit: AuditEntry): Promise<"done" | "closed"> {
    return this.#engine.write(async (session) => {
      const packageId = await this.#end(session, id, "accepted", audit);
      if (packageId === undefined) return "closed";
      await replaceOwners(session, await ownedOf(session, packageId), owner, audit);
      await record(session, audit);
      return "done";
    });
  }

  async closeTransfer(
    id: string,
    state: Exclude<TransferState, "open" | "accepted">,
    audit: AuditEntry,
  ): Promise<"done" | "closed"> {
    return this.#engine.write(async (session) => {
      if ((await this.#end(session, id, state, audit)) === undefined) return "closed";
      await record(session, audit);
      return "done";
    });
  }

  async createClaim(claim: NewNameClaim, audit: AuditEntry): Promise<"created" | "exists"> {
    return this.#engine.write(async (session) => {
      const { id, canonical, accountId, reason, created, decidable } = claim;
      const { id: packageId } = (await packageRow(session, canonical))!;
      const open = await session
        .selectFrom("name_claims")
        .select("id")
        .where("package_id", "=", packageId)
        .where("state", "=", "open")
        .executeTakeFirst();
      if (open !== undefined) return "exists";
      await session
        .insertInto("name_claims")
        .values({ id, package_id: packageId, account_id: accountId, reason, created, decidable, state: "open" })
        .execute();
      await record(session, audit);
      return "created";
    });
  }

  async claim(id: string): Promise<NameClaim | undefined> {
    const row = await claimRows(this.#engine.db).where("name_claims.id", "=", id).executeTakeFirst();
    return row && toClaim(row);
  }

  async claims({ state, claimantId, ownerId }: Parameters<OwnershipStore["claims"]>[0]): Promise<readonly NameClaim[]> {
    const rows = await claimRows(this.#engine.db)
      .$if(state !== undefined, (query) => query.where("name_claims.state", "=", state!))
      .$if(claimantId !== undefined, (query) => query.where("name_claims.account_id", "=", claimantId!))
      .$if(ownerId !== undefined, (query) =>
        query.where("name_claims.package_id", "in", (eb) =>
          eb.selectFrom("owners").select("package_id").where("account_id", "=", ownerId!),
        ),
      )
      .execute();
    return rows.map(toClaim);
  }

  async closeClaim(
    id: string,
    { state, note, owner }: { readonly state: ClaimState; readonly note?: string; readonly owner?: Account },
    audit: AuditEntry,
  ): Promise<"done" | "closed"> {
    return this.#engine.write(async (session) => {
      const row = await session
        .updateTable("name_claims")
        .set({ state, note: note ?? null, decided: audit.at })
        .where("id", "=", id)
        .where("state", "=", "open")
        .returning("package_id")
        .executeTakeFirst();
      if (row === undefined) return "closed";
      if (owner !== undefined)
        await replaceOwners(session, await ownedOf(session, row.package_id), { account: owner }, audit);
      await record(session, audit);
      return "done";
    });
  }
}
