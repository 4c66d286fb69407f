import type { CanonicalName } from "@lading/core-manifest";
import { sql, type Kysely, type Selectable, type Transaction } from "kysely";
import {
  ORGANISATION_ROLES,
  TEAM_PREFIX,
  groupOf,
  type Invitation,
  type InvitationState,
  type Member,
  type Memberships,
  type Namespace,
  type Organisation,
  type OrganisationRole,
  type ReservedOrganisation,
  type Team,
  type TeamMemberRole,
  type TeamRole,
} from "../organisations/organisation.ts";
import type {
  InvitationOutcome,
  MemberOutcome,
  NewInvitation,
  OrganisationStore,
} from "../organisations/organisation-store.ts";
import { nameSkeleton } from "../package-name-rules.ts";
import type { OwnerOutcome, OwnersCheck } from "../organisations/package-owners.ts";
import type { Account, AuditEntry, Page, PageRequest } from "../records.ts";
import { teamOwnerEntry } from "../trust/log-entries.ts";
import { Prepared } from "./prepared.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { appendEntry, nextPosition, ownerCount, ownersOf, packageRow } from "./sql-packages.ts";
import type { Tables } from "./sql-schema.ts";
import { removeWebhooks } from "./sql-webhook-store.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

type TeamRow = Selectable<Tables["teams"]> & { readonly organisation: string };

const TEAMS_OWNING = new Prepared<{ packageId: number }, TeamRow>((db, place) =>
  db
    .selectFrom("owner_teams")
    .innerJoin("teams", "teams.id", "owner_teams.team_id")
    .innerJoin("organisations", "organisations.id", "teams.organisation_id")
    .selectAll("teams")
    .select("organisations.name as organisation")
    .where("owner_teams.package_id", "=", place("packageId"))
    .orderBy("owner_teams.position"),
);

function toOrganisation(row: Selectable<Tables["organisations"]>): Organisation {
  const { id, name, title, created } = row;
  return { id, name, ...(title === null ? {} : { title }), created };
}

function toTeam(row: TeamRow): Team {
  const { id, organisation, name, title, role, created } = row;
  return { id, organisation, name, ...(title === null ? {} : { title }), role: role as TeamRole, created };
}

function teamRows(session: Session) {
  return session
    .selectFrom("teams")
    .innerJoin("organisations", "organisations.id", "teams.organisation_id")
    .selectAll("teams")
    .select("organisations.name as organisation")
    .orderBy("teams.name");
}

function namespaceRows(session: Session) {
  return session
    .selectFrom("namespaces")
    .innerJoin("organisations", "organisations.id", "namespaces.organisation_id")
    .leftJoin("teams", "teams.id", "namespaces.team_id")
    .select([
      "namespaces.name",
      "namespaces.proof",
      "namespaces.created",
      "organisations.name as organisation",
      "teams.name as team",
    ])
    .orderBy("namespaces.name");
}

function toNamespace(row: {
  readonly name: string;
  readonly organisation: string;
  readonly team: string | null;
  readonly proof: string;
  readonly created: number;
}): Namespace {
  const { name, organisation, team, proof, created } = row;
  return { name, organisation, ...(team === null ? {} : { team }), proof, created };
}

function invitationRows(session: Session) {
  return session
    .selectFrom("invitations")
    .innerJoin("organisations", "organisations.id", "invitations.organisation_id")
    .innerJoin("accounts as inviters", "inviters.id", "invitations.inviter_id")
    .leftJoin("teams", "teams.id", "invitations.team_id")
    .leftJoin("accounts as invited", "invited.id", "invitations.account_id")
    .selectAll("invitations")
    .select(["organisations.name as organisation", "teams.name as team", "inviters.username as inviter"])
    .select("invited.username as username")
    .orderBy("invitations.created")
    .orderBy("invitations.id");
}

type InvitationRow = Selectable<Tables["invitations"]> & {
  readonly organisation: string;
  readonly team: string | null;
  readonly inviter: string;
  readonly username: string | null;
};

function toInvitation(row: InvitationRow): Invitation {
  const { id, organisation, team, username, email, role, inviter, created, expires, state } = row;
  return {
    id,
    organisation,
    ...(team === null ? {} : { team }),
    role: role as OrganisationRole,
    ...(username === null ? {} : { username }),
    ...(email === null ? {} : { email }),
    inviter,
    created,
    expires,
    state: state as InvitationState,
  };
}

async function roleIn(session: Session, organisationId: string, accountId: string): Promise<string | undefined> {
  const row = await session
    .selectFrom("organisation_members")
    .select("role")
    .where("organisation_id", "=", organisationId)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  return row?.role;
}

async function isLastOwner(session: Session, organisationId: string, accountId: string): Promise<boolean> {
  const others = await session
    .selectFrom("organisation_members")
    .select("account_id")
    .where("organisation_id", "=", organisationId)
    .where("role", "=", "owner")
    .where("account_id", "!=", accountId)
    .limit(1)
    .execute();
  return others.length === 0;
}

async function putMember(
  session: Session,
  {
    organisationId,
    accountId,
    role,
    at,
  }: {
    readonly organisationId: string;
    readonly accountId: string;
    readonly role: string;
    readonly at: number;
  },
): Promise<void> {
  await session
    .insertInto("organisation_members")
    .values({ organisation_id: organisationId, account_id: accountId, role, since: at })
    .onConflict((clash) => clash.columns(["organisation_id", "account_id"]).doUpdateSet({ role }))
    .execute();
}

async function putTeamMember(
  session: Session,
  {
    teamId,
    accountId,
    role,
    at,
  }: {
    readonly teamId: string;
    readonly accountId: string;
    readonly role: string;
    readonly at: number;
  },
): Promise<void> {
  await session
    .insertInto("team_members")
    .values({ team_id: teamId, account_id: accountId, role, since: at })
    .onConflict((clash) => clash.columns(["team_id", "account_id"]).doUpdateSet({ role }))
    .execute();
}

async function organisationOfTeam(session: Session, teamId: string): Promise<string | undefined> {
  const row = await session.selectFrom("teams").select("organisation_id").where("id", "=", teamId).executeTakeFirst();
  return row?.organisation_id;
}

/** Teams that own a package, in order of their addition. */
export async function teamsOwning(session: Session, packageId: number): Promise<readonly Team[]> {
  const rows = await TEAMS_OWNING.all(session, { packageId });
  return rows.map(toTeam);
}

/** Everybody who owns a package: user names, then teams as `team:o/t`. */
export async function ownerNames(
  session: Session,
  { id, canonical }: Pick<Selectable<Tables["packages"]>, "id" | "canonical">,
): Promise<readonly string[]> {
  const teams = await teamsOwning(session, id);
  return [...(await ownersOf(session, canonical)), ...teams.map((team) => `${TEAM_PREFIX}${groupOf(team)}`)];
}

async function isReserved(session: Session, name: string): Promise<boolean> {
  const row = await session
    .selectFrom("retired_organisations")
    .select("name")
    .where("name", "=", name)
    .executeTakeFirst();
  return row !== undefined;
}

/** A row may be there: by PostgreSQL's trigger, or where a former release made the organisation under a reserved name. */
async function reserve(session: Session, { name, removed }: ReservedOrganisation): Promise<void> {
  await session
    .insertInto("retired_organisations")
    .values({ name, removed })
    .onConflict((clash) => clash.column("name").doUpdateSet({ removed }))
    .execute();
}

async function endReservation(session: Session, name: string): Promise<void> {
  await session.deleteFrom("retired_organisations").where("name", "=", name).execute();
}

/** The {@link OrganisationStore} over SQL. */
export class SqlOrganisationStore implements OrganisationStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async createOrganisation(
    organisation: Organisation,
    owner: Account,
    audit: AuditEntry,
    { takesReserved = false }: { readonly takesReserved?: boolean } = {},
  ): Promise<"created" | "exists" | "reserved"> {
    return this.#engine.write(async (session) => {
      const { id, name, title, created } = organisation;
      const known = await session.selectFrom("organisations").select("id").where("name", "=", name).executeTakeFirst();
      if (known !== undefined) return "exists";
      if (takesReserved) await endReservation(session, name);
      else if (await isReserved(session, name)) return "reserved";
      await session
        .insertInto("organisations")
        .values({ id, name, title: title ?? null, created })
        .execute();
      await putMember(session, { organisationId: id, accountId: owner.id, role: "owner", at: created });
      await record(session, audit);
      return "created";
    });
  }

  async organisation(name: string): Promise<Organisation | undefined> {
    const row = await this.#engine.db
      .selectFrom("organisations")
      .selectAll()
      .where("name", "=", name)
      .executeTakeFirst();
    return row && toOrganisation(row);
  }

  async organisations({ page, perPage }: PageRequest): Promise<Page<Organisation>> {
    const { db } = this.#engine;
    const rows = await db
      .selectFrom("organisations")
      .selectAll()
      .orderBy("name")
      .limit(perPage)
      .offset((page - 1) * perPage)
      .execute();
    const { total } = await db
      .selectFrom("organisations")
      .select((eb) => eb.fn.countAll<number>().as("total"))
      .executeTakeFirstOrThrow();
    return { items: rows.map(toOrganisation), total };
  }

  async setTitle(organisationId: string, title: string | undefined, audit: AuditEntry): Promise<void> {
    await this.#engine.write(async (session) => {
      await session
        .updateTable("organisations")
        .set({ title: title ?? null })
        .where("id", "=", organisationId)
        .execute();
      await record(session, audit);
    });
  }

  async removeOrganisation(organisationId: string, audit: AuditEntry): Promise<"removed" | "in-use"> {
    return this.#engine.write(async (session) => {
      const uses = await sql<{ total: number }>`select
        (select count(*) from namespaces where organisation_id = ${organisationId})
        + (select count(*) from owner_teams join teams on teams.id = owner_teams.team_id
           where teams.organisation_id = ${organisationId}) as total`.execute(session);
      if (uses.rows[0]!.total > 0) return "in-use";
      const { name } = await session
        .selectFrom("organisations")
        .select("name")
        .where("id", "=", organisationId)
        .executeTakeFirstOrThrow();
      const teams = session.selectFrom("teams").select("id").where("organisation_id", "=", organisationId);
      await session.deleteFrom("invitations").where("organisation_id", "=", organisationId).execute();
      await session.deleteFrom("package_transfers").where("organisation_id", "=", organisationId).execute();
      await session.deleteFrom("team_members").where("team_id", "in", teams).execute();
      await session.deleteFrom("teams").where("organisation_id", "=", organisationId).execute();
      await session.deleteFrom("organisation_members").where("organisation_id", "=", organisationId).execute();
      await session.deleteFrom("quotas").where("subject", "=", `organisation:${name}`).execute();
      await removeWebhooks(session, { kind: "organisation", id: organisationId });
      await session.deleteFrom("organisations").where("id", "=", organisationId).execute();
      await reserve(session, { name, removed: audit.at });
      await record(session, audit);
      return "removed";
    });
  }

  async reservedOrganisations(): Promise<readonly ReservedOrganisation[]> {
    return this.#engine.db.selectFrom("retired_organisations").select(["name", "removed"]).orderBy("name").execute();
  }

  async releaseOrganisation(name: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      if (!(await isReserved(session, name))) return false;
      await endReservation(session, name);
      await record(session, audit);
      return true;
    });
  }

  async members(organisationId: string): Promise<readonly Member<OrganisationRole>[]> {
    const rows = await this.#engine.db
      .selectFrom("organisation_members")
      .innerJoin("accounts", "accounts.id", "organisation_members.account_id")
      .select(["accounts.username", "organisation_members.role", "organisation_members.since"])
      .where("organisation_members.organisation_id", "=", organisationId)
      .orderBy("accounts.username_folded")
      .execute();
    return rows.map((row) => ({ ...row, role: row.role as OrganisationRole }));
  }

  async setMember(
    organisationId: string,
    account: Account,
    role: OrganisationRole,
    audit: AuditEntry,
  ): Promise<MemberOutcome> {
    return this.#engine.write(async (session) => {
      const known = await roleIn(session, organisationId, account.id);
      if (known === role) return "unchanged";
      if (known === "owner" && (await isLastOwner(session, organisationId, account.id))) return "last-owner";
      await putMember(session, { organisationId, accountId: account.id, role, at: audit.at });
      await record(session, audit);
      return "changed";
    });
  }

  async removeMember(organisationId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome> {
    return this.#engine.write(async (session) => {
      const known = await roleIn(session, organisationId, account.id);
      if (known === undefined) return "not-member";
      if (known === "owner" && (await isLastOwner(session, organisationId, account.id))) return "last-owner";
      const teams = session.selectFrom("teams").select("id").where("organisation_id", "=", organisationId);
      await session
        .deleteFrom("team_members")
        .where("account_id", "=", account.id)
        .where("team_id", "in", teams)
        .execute();
      await session
        .deleteFrom("organisation_members")
        .where("organisation_id", "=", organisationId)
        .where("account_id", "=", account.id)
        .execute();
      await record(session, audit);
      return "changed";
    });
  }

  async createTeam(
    team: Omit<Team, "organisation"> & { readonly organisationId: string },
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    return this.#engine.write(async (session) => {
      const { id, organisationId, name, title, role, created } = team;
      const known = await session
        .selectFrom("teams")
        .select("id")
        .where("organisation_id", "=", organisationId)
        .where("name", "=", name)
        .executeTakeFirst();
      if (known !== undefined) return "exists";
      await session
        .insertInto("teams")
        .values({ id, organisation_id: organisationId, name, title: title ?? null, role, created })
        .execute();
      await record(session, audit);
      return "created";
    });
  }

  async team(organisation: string, name: string): Promise<Team | undefined> {
    const row = await teamRows(this.#engine.db)
      .where("organisations.name", "=", organisation)
      .where("teams.name", "=", name)
      .executeTakeFirst();
    return row && toTeam(row);
  }

  async teams(organisationId: string): Promise<readonly Team[]> {
    const rows = await teamRows(this.#engine.db).where("organisations.id", "=", organisationId).execute();
    return rows.map(toTeam);
  }

  async updateTeam(
    teamId: string,
    { title, role }: { readonly title?: string | undefined; readonly role: TeamRole },
    audit: AuditEntry,
  ): Promise<void> {
    await this.#engine.write(async (session) => {
      await session
        .updateTable("teams")
        .set({ title: title ?? null, role })
        .where("id", "=", teamId)
        .execute();
      await record(session, audit);
    });
  }

  async removeTeam(teamId: string, audit: AuditEntry): Promise<"removed" | "last-owner"> {
    return this.#engine.write(async (session) => {
      const owned = await session
        .selectFrom("owner_teams")
        .select("package_id")
        .where("team_id", "=", teamId)
        .execute();
      for (const { package_id: id } of owned) if ((await ownerCount(session, id)) === 1) return "last-owner";
      for (const { package_id: id } of owned) await this.#disown(session, id, teamId, audit);
      await session.updateTable("namespaces").set({ team_id: null }).where("team_id", "=", teamId).execute();
      await session.updateTable("invitations").set({ team_id: null }).where("team_id", "=", teamId).execute();
      await session.deleteFrom("team_members").where("team_id", "=", teamId).execute();
      await session.deleteFrom("teams").where("id", "=", teamId).execute();
      await record(session, audit);
      return "removed";
    });
  }

  async #disown(session: Session, packageId: number, teamId: string, audit: AuditEntry): Promise<void> {
    const { canonical } = await session
      .selectFrom("packages")
      .select("canonical")
      .where("id", "=", packageId)
      .executeTakeFirstOrThrow();
    const team = (await teamsOwning(session, packageId)).find(({ id }) => id === teamId)!;
    await session.deleteFrom("owner_teams").where("package_id", "=", packageId).where("team_id", "=", teamId).execute();
    await appendEntry(session, teamOwnerEntry("remove", canonical as CanonicalName, team, audit));
  }

  async teamMembers(teamId: string): Promise<readonly Member<TeamMemberRole>[]> {
    const rows = await this.#engine.db
      .selectFrom("team_members")
      .innerJoin("accounts", "accounts.id", "team_members.account_id")
      .select(["accounts.username", "team_members.role", "team_members.since"])
      .where("team_members.team_id", "=", teamId)
      .orderBy("accounts.username_folded")
      .execute();
    return rows.map((row) => ({ ...row, role: row.role as TeamMemberRole }));
  }

  async setTeamMember(
    teamId: string,
    account: Account,
    role: TeamMemberRole,
    audit: AuditEntry,
  ): Promise<MemberOutcome> {
    return this.#engine.write(async (session) => {
      const organisationId = await organisationOfTeam(session, teamId);
      if (organisationId === undefined || (await roleIn(session, organisationId, account.id)) === undefined)
        return "not-member";
      const known = await session
        .selectFrom("team_members")
        .select("role")
        .where("team_id", "=", teamId)
        .where("account_id", "=", account.id)
        .executeTakeFirst();
      if (known?.role === role) return "unchanged";
      await putTeamMember(session, { teamId, accountId: account.id, role, at: audit.at });
      await record(session, audit);
      return "changed";
    });
  }

  async removeTeamMember(teamId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome> {
    return this.#engine.write(async (session) => {
      const row = await session
        .deleteFrom("team_members")
        .where("team_id", "=", teamId)
        .where("account_id", "=", account.id)
        .returning("account_id")
        .executeTakeFirst();
      if (row === undefined) return "not-member";
      await record(session, audit);
      return "changed";
    });
  }

  async membershipsOf(accountId: string): Promise<Memberships> {
    const { db } = this.#engine;
    const organisations = await db
      .selectFrom("organisation_members")
      .innerJoin("organisations", "organisations.id", "organisation_members.organisation_id")
      .select(["organisations.name", "organisation_members.role"])
      .where("organisation_members.account_id", "=", accountId)
      .orderBy("organisations.name")
      .execute();
    const teams = await db
      .selectFrom("team_members")
      .innerJoin("teams", "teams.id", "team_members.team_id")
      .innerJoin("organisations", "organisations.id", "teams.organisation_id")
      .select(["organisations.name as organisation", "teams.name", "teams.role", "team_members.role as memberRole"])
      .where("team_members.account_id", "=", accountId)
      .orderBy("organisations.name")
      .orderBy("teams.name")
      .execute();
    return {
      organisations: organisations.map(({ name, role }) => ({ name, role: role as OrganisationRole })),
      teams: teams.map((team) => ({
        ...team,
        role: team.role as TeamRole,
        memberRole: team.memberRole as TeamMemberRole,
      })),
    };
  }

  async claimNamespace(
    namespace: Omit<Namespace, "organisation" | "team"> & {
      readonly organisationId: string;
      readonly skeleton: string;
    },
    audit: AuditEntry,
  ): Promise<"claimed" | "taken"> {
    return this.#engine.write(async (session) => {
      const { name, organisationId, skeleton, proof, created } = namespace;
      const known = await session.selectFrom("namespaces").select("name").where("name", "=", name).executeTakeFirst();
      if (known !== undefined) return "taken";
      await session
        .insertInto("namespaces")
        .values({ name, organisation_id: organisationId, team_id: null, skeleton, proof, created })
        .execute();
      await record(session, audit);
      return "claimed";
    });
  }

  async namespace(name: string): Promise<Namespace | undefined> {
    const row = await namespaceRows(this.#engine.db).where("namespaces.name", "=", name).executeTakeFirst();
    return row && toNamespace(row);
  }

  async namespacesOf(organisationId: string): Promise<readonly Namespace[]> {
    const rows = await namespaceRows(this.#engine.db)
      .where("namespaces.organisation_id", "=", organisationId)
      .execute();
    return rows.map(toNamespace);
  }

  async similarNamespaces(skeleton: string, name: string): Promise<readonly string[]> {
    const { db } = this.#engine;
    const claimed = await db.selectFrom("namespaces").select("name").where("skeleton", "=", skeleton).execute();
    const used = await db.selectFrom("packages").select("namespace as name").distinct().execute();
    const similar = used.filter((row) => nameSkeleton(row.name as CanonicalName) === skeleton);
    return [...new Set([...claimed, ...similar].map((row) => row.name))].filter((other) => other !== name).sort();
  }

  async namespaceOwners(name: string): Promise<readonly string[]> {
    const rows = await this.#engine.db
      .selectFrom("packages")
      .innerJoin("owners", "owners.package_id", "packages.id")
      .innerJoin("accounts", "accounts.id", "owners.account_id")
      .select("accounts.username")
      .distinct()
      .where("packages.namespace", "=", name)
      .execute();
    return rows.map(({ username }) => username).sort();
  }

  async setNamespaceTeam(name: string, teamId: string | undefined, audit: AuditEntry): Promise<void> {
    await this.#engine.write(async (session) => {
      await session
        .updateTable("namespaces")
        .set({ team_id: teamId ?? null })
        .where("name", "=", name)
        .execute();
      await record(session, audit);
    });
  }

  async releaseNamespace(name: string, audit: AuditEntry): Promise<boolean> {
    return this.#engine.write(async (session) => {
      const row = await session.deleteFrom("namespaces").where("name", "=", name).returning("name").executeTakeFirst();
      if (row === undefined) return false;
      await record(session, audit);
      return true;
    });
  }

  async ownerTeams(canonical: CanonicalName): Promise<readonly Team[]> {
    const row = await packageRow(this.#engine.db, canonical);
    return row === undefined ? [] : teamsOwning(this.#engine.db, row.id);
  }

  async addOwnerTeam(
    canonical: CanonicalName,
    team: Team,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    return this.#engine.write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row === undefined) return "unchanged";
      check?.(await ownerNames(session, row));
      if ((await teamsOwning(session, row.id)).some(({ id }) => id === team.id)) return "unchanged";
      await session
        .insertInto("owner_teams")
        .values({ package_id: row.id, team_id: team.id, position: nextPosition(row.id) })
        .execute();
      await appendEntry(session, teamOwnerEntry("add", canonical, team, audit));
      await record(session, audit);
      return "changed";
    });
  }

  async removeOwnerTeam(
    canonical: CanonicalName,
    team: Team,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    return this.#engine.write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row === undefined) return "unchanged";
      check?.(await ownerNames(session, row));
      if (!(await teamsOwning(session, row.id)).some(({ id }) => id === team.id)) return "unchanged";
      if ((await ownerCount(session, row.id)) === 1) return "last-owner";
      await this.#disown(session, row.id, team.id, audit);
      await record(session, audit);
      return "changed";
    });
  }

  async createInvitation(invitation: NewInvitation, audit: AuditEntry): Promise<void> {
    await this.#engine.write(async (session) => {
      const { id, organisationId, teamId, accountId, email, codeHash, role, inviterId, created, expires } = invitation;
      await session
        .insertInto("invitations")
        .values({
          id,
          organisation_id: organisationId,
          team_id: teamId ?? null,
          account_id: accountId ?? null,
          email: email ?? null,
          code_hash: codeHash ?? null,
          role,
          inviter_id: inviterId,
          created,
          expires,
          state: "open",
        })
        .execute();
      await record(session, audit);
    });
  }

  async invitation(id: string): Promise<Invitation | undefined> {
    const row = await invitationRows(this.#engine.db).where("invitations.id", "=", id).executeTakeFirst();
    return row && toInvitation(row);
  }

  async invitationByCode(codeHash: string): Promise<Invitation | undefined> {
    const row = await invitationRows(this.#engine.db)
      .where("invitations.code_hash", "=", codeHash)
      .where("invitations.state", "=", "open")
      .executeTakeFirst();
    return row && toInvitation(row);
  }

  async invitationsOf(organisationId: string, now: number): Promise<readonly Invitation[]> {
    const rows = await invitationRows(this.#engine.db)
      .where("invitations.organisation_id", "=", organisationId)
      .where("invitations.state", "=", "open")
      .where("invitations.expires", ">", now)
      .execute();
    return rows.map(toInvitation);
  }

  async invitationsFor(accountId: string, now: number): Promise<readonly Invitation[]> {
    const rows = await invitationRows(this.#engine.db)
      .where("invitations.account_id", "=", accountId)
      .where("invitations.state", "=", "open")
      .where("invitations.expires", ">", now)
      .execute();
    return rows.map(toInvitation);
  }

  async acceptInvitation(id: string, account: Account, audit: AuditEntry): Promise<InvitationOutcome> {
    return this.#engine.write(async (session) => {
      const row = await this.#close(session, id, "accepted", audit);
      if (row === undefined) return "closed";
      const { organisation_id: organisationId, team_id: teamId } = row;
      const known = await roleIn(session, organisationId, account.id);
      const rank = (role: string | undefined): number => ORGANISATION_ROLES.indexOf(role as OrganisationRole);
      const role = rank(known) > rank(row.role) ? known! : row.role;
      await putMember(session, { organisationId, accountId: account.id, role, at: audit.at });
      if (teamId !== null) {
        await session
          .insertInto("team_members")
          .values({ team_id: teamId, account_id: account.id, role: "member", since: audit.at })
          .onConflict((clash) => clash.columns(["team_id", "account_id"]).doNothing())
          .execute();
      }
      await record(session, audit);
      return "done";
    });
  }

  async closeInvitation(id: string, state: "declined" | "revoked", audit: AuditEntry): Promise<InvitationOutcome> {
    return this.#engine.write(async (session) => {
      if ((await this.#close(session, id, state, audit)) === undefined) return "closed";
      await record(session, audit);
      return "done";
    });
  }

  async #close(session: Session, id: string, state: InvitationState, { at }: AuditEntry) {
    return session
      .updateTable("invitations")
      .set({ state, code_hash: null })
      .where("id", "=", id)
      .where("state", "=", "open")
      .where("expires", ">", at)
      .returningAll()
      .executeTakeFirst();
  }
}
