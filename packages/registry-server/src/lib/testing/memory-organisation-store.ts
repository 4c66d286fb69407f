import { splitName, type CanonicalName } from "@lading/core-manifest";
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

/** What the organisations need of the packages of the same store. */
export interface OwnedPackages {
  names(): readonly CanonicalName[];
  /** Accounts that own a package; `undefined` where there is none of that name. */
  accounts(canonical: CanonicalName): readonly Account[] | undefined;
  /** Ids of the teams that own it, in order of their addition. */
  teams(canonical: CanonicalName): string[];
  /** Logs that a team became an owner, or is none any more. */
  log(change: "add" | "remove", canonical: CanonicalName, team: Team, audit: AuditEntry): void;
}

interface Membership<Role> {
  readonly account: Account;
  readonly role: Role;
  readonly since: number;
}

interface KnownTeam extends Omit<Team, "organisation"> {
  readonly organisationId: string;
  readonly members: Map<string, Membership<TeamMemberRole>>;
}

interface KnownInvitation extends Omit<NewInvitation, "codeHash"> {
  readonly inviter: string;
  codeHash: string | undefined;
  state: InvitationState;
}

type KnownNamespace = Omit<Namespace, "organisation" | "team"> & {
  readonly organisationId: string;
  readonly skeleton: string;
  readonly teamId?: string;
};

function listed<Role>(members: ReadonlyMap<string, Membership<Role>>): readonly Member<Role>[] {
  const list = [...members.values()].map(({ account, role, since }) => ({ username: account.username, role, since }));
  return list.sort((left, right) => (left.username.toLowerCase() < right.username.toLowerCase() ? -1 : 1));
}

function byName<Item extends { readonly name: string }>(items: Iterable<Item>): Item[] {
  return [...items].sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** The {@link OrganisationStore} in memory, over the accounts and packages of the metadata store in memory. */
export class MemoryOrganisationStore implements OrganisationStore {
  readonly #accounts: ReadonlyMap<string, Account>;
  readonly #packages: OwnedPackages;
  readonly #record: (audit: AuditEntry) => void;
  readonly #removed: (organisationId: string) => Promise<void>;
  readonly #organisations = new Map<string, Organisation>();
  readonly #reserved = new Map<string, number>();
  readonly #members = new Map<string, Map<string, Membership<OrganisationRole>>>();
  readonly #teams = new Map<string, KnownTeam>();
  readonly #namespaces = new Map<string, KnownNamespace>();
  readonly #invitations = new Map<string, KnownInvitation>();

  /** `removed` forgets what else a store keeps of an organisation that was removed. */
  constructor(
    accounts: ReadonlyMap<string, Account>,
    packages: OwnedPackages,
    record: (audit: AuditEntry) => void,
    removed: (organisationId: string) => Promise<void>,
  ) {
    this.#removed = removed;
    this.#accounts = accounts;
    this.#packages = packages;
    this.#record = record;
  }

  #membersOf(organisationId: string): Map<string, Membership<OrganisationRole>> {
    return this.#members.get(organisationId) ?? new Map<string, Membership<OrganisationRole>>();
  }

  #team(known: KnownTeam): Team {
    const { organisationId, members: _, ...team } = known;
    return { ...team, organisation: this.#organisations.get(organisationId)!.name };
  }

  #teamsIn(organisationId: string): KnownTeam[] {
    return byName(this.#teams.values()).filter((team) => team.organisationId === organisationId);
  }

  #owned(teamId: string): readonly CanonicalName[] {
    return this.#packages.names().filter((name) => this.#packages.teams(name).includes(teamId));
  }

  #ownerCount(canonical: CanonicalName): number {
    return (this.#packages.accounts(canonical) ?? []).length + this.#packages.teams(canonical).length;
  }

  /** Name of the organisation of an id. */
  nameOf(organisationId: string): string {
    return this.#organisations.get(organisationId)!.name;
  }

  /** Names of the organisations that the account is the last owner of. */
  ledBy(accountId: string): string[] {
    return [...this.#members]
      .filter(([id, members]) => members.get(accountId)?.role === "owner" && this.#isLastOwner(id, accountId))
      .map(([id]) => this.nameOf(id));
  }

  /** Ends every membership and open invitation of an account. */
  forget(accountId: string): void {
    for (const members of this.#members.values()) members.delete(accountId);
    for (const { members } of this.#teams.values()) members.delete(accountId);
    for (const invitation of this.#invitations.values())
      if (invitation.accountId === accountId && invitation.state === "open") invitation.state = "revoked";
  }

  async createOrganisation(
    organisation: Organisation,
    owner: Account,
    audit: AuditEntry,
    { takesReserved = false }: { readonly takesReserved?: boolean } = {},
  ): Promise<"created" | "exists" | "reserved"> {
    if ((await this.organisation(organisation.name)) !== undefined) return "exists";
    if (takesReserved) this.#reserved.delete(organisation.name);
    else if (this.#reserved.has(organisation.name)) return "reserved";
    this.#organisations.set(organisation.id, organisation);
    const first = { account: owner, role: "owner", since: organisation.created } as const;
    this.#members.set(organisation.id, new Map([[owner.id, first]]));
    this.#record(audit);
    return "created";
  }

  async reservedOrganisations(): Promise<readonly ReservedOrganisation[]> {
    return byName([...this.#reserved].map(([name, removed]) => ({ name, removed })));
  }

  async releaseOrganisation(name: string, audit: AuditEntry): Promise<boolean> {
    if (!this.#reserved.delete(name)) return false;
    this.#record(audit);
    return true;
  }

  async organisation(name: string): Promise<Organisation | undefined> {
    return [...this.#organisations.values()].find((organisation) => organisation.name === name);
  }

  async organisations({ page, perPage }: PageRequest): Promise<Page<Organisation>> {
    const items = byName(this.#organisations.values());
    return { items: items.slice((page - 1) * perPage, page * perPage), total: items.length };
  }

  async setTitle(organisationId: string, title: string | undefined, audit: AuditEntry): Promise<void> {
    const { id, name, created } = this.#organisations.get(organisationId)!;
    this.#organisations.set(id, { id, name, ...(title === undefined ? {} : { title }), created });
    this.#record(audit);
  }

  async removeOrganisation(organisationId: string, audit: AuditEntry): Promise<"removed" | "in-use"> {
    const teams = this.#teamsIn(organisationId);
    const claimed = [...this.#namespaces.values()].some((namespace) => namespace.organisationId === organisationId);
    if (claimed || teams.some(({ id }) => this.#owned(id).length > 0)) return "in-use";
    for (const { id } of teams) this.#teams.delete(id);
    for (const [id, invitation] of this.#invitations)
      if (invitation.organisationId === organisationId) this.#invitations.delete(id);
    this.#members.delete(organisationId);
    this.#reserved.set(this.#organisations.get(organisationId)!.name, audit.at);
    this.#organisations.delete(organisationId);
    await this.#removed(organisationId);
    this.#record(audit);
    return "removed";
  }

  /** Names of an organisation's teams among those that own a package; `undefined`: it is none of the organisation's. */
  teamsFor(
    organisationId: string,
    canonical: CanonicalName,
    teamIds: readonly string[],
  ): readonly string[] | undefined {
    const own = this.#teamsIn(organisationId).filter(({ id }) => teamIds.includes(id));
    const { namespace } = splitName(canonical);
    const isInside = namespace !== undefined && this.#namespaces.get(namespace)?.organisationId === organisationId;
    return isInside || own.length > 0 ? own.map(({ name }) => name) : undefined;
  }

  async members(organisationId: string): Promise<readonly Member<OrganisationRole>[]> {
    return listed(this.#membersOf(organisationId));
  }

  #isLastOwner(organisationId: string, accountId: string): boolean {
    const members = [...this.#membersOf(organisationId).values()];
    return !members.some(({ account, role }) => role === "owner" && account.id !== accountId);
  }

  async setMember(
    organisationId: string,
    account: Account,
    role: OrganisationRole,
    audit: AuditEntry,
  ): Promise<MemberOutcome> {
    const members = this.#membersOf(organisationId);
    const known = members.get(account.id);
    if (known?.role === role) return "unchanged";
    if (known?.role === "owner" && this.#isLastOwner(organisationId, account.id)) return "last-owner";
    members.set(account.id, { account, role, since: known?.since ?? audit.at });
    this.#record(audit);
    return "changed";
  }

  async removeMember(organisationId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome> {
    const members = this.#membersOf(organisationId);
    const known = members.get(account.id);
    if (known === undefined) return "not-member";
    if (known.role === "owner" && this.#isLastOwner(organisationId, account.id)) return "last-owner";
    for (const team of this.#teamsIn(organisationId)) team.members.delete(account.id);
    members.delete(account.id);
    this.#record(audit);
    return "changed";
  }

  async createTeam(
    team: Omit<Team, "organisation"> & { readonly organisationId: string },
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    if (this.#teamsIn(team.organisationId).some(({ name }) => name === team.name)) return "exists";
    this.#teams.set(team.id, { ...team, members: new Map() });
    this.#record(audit);
    return "created";
  }

  async team(organisation: string, name: string): Promise<Team | undefined> {
    const found = await this.organisation(organisation);
    const team = found && this.#teamsIn(found.id).find((known) => known.name === name);
    return team && this.#team(team);
  }

  async teams(organisationId: string): Promise<readonly Team[]> {
    return this.#teamsIn(organisationId).map((team) => this.#team(team));
  }

  async updateTeam(
    teamId: string,
    { title, role }: { readonly title?: string | undefined; readonly role: TeamRole },
    audit: AuditEntry,
  ): Promise<void> {
    const { title: _, ...team } = this.#teams.get(teamId)!;
    this.#teams.set(teamId, { ...team, ...(title === undefined ? {} : { title }), role });
    this.#record(audit);
  }

  async removeTeam(teamId: string, audit: AuditEntry): Promise<"removed" | "last-owner"> {
    const owned = this.#owned(teamId);
    if (owned.some((name) => this.#ownerCount(name) === 1)) return "last-owner";
    for (const name of owned) this.#disown(name, teamId, audit);
    for (const [name, { teamId: own, ...namespace }] of this.#namespaces)
      if (own === teamId) this.#namespaces.set(name, namespace);
    for (const [id, { teamId: own, ...invitation }] of this.#invitations)
      if (own === teamId) this.#invitations.set(id, invitation);
    this.#teams.delete(teamId);
    this.#record(audit);
    return "removed";
  }

  #disown(canonical: CanonicalName, teamId: string, audit: AuditEntry): void {
    const teams = this.#packages.teams(canonical);
    teams.splice(teams.indexOf(teamId), 1);
    this.#packages.log("remove", canonical, this.#team(this.#teams.get(teamId)!), audit);
  }

  async teamMembers(teamId: string): Promise<readonly Member<TeamMemberRole>[]> {
    return listed(this.#teams.get(teamId)?.members ?? new Map<string, Membership<TeamMemberRole>>());
  }

  async setTeamMember(
    teamId: string,
    account: Account,
    role: TeamMemberRole,
    audit: AuditEntry,
  ): Promise<MemberOutcome> {
    const team = this.#teams.get(teamId);
    if (team === undefined || !this.#membersOf(team.organisationId).has(account.id)) return "not-member";
    const known = team.members.get(account.id);
    if (known?.role === role) return "unchanged";
    team.members.set(account.id, { account, role, since: known?.since ?? audit.at });
    this.#record(audit);
    return "changed";
  }

  async removeTeamMember(teamId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome> {
    if (this.#teams.get(teamId)?.members.delete(account.id) !== true) return "not-member";
    this.#record(audit);
    return "changed";
  }

  async membershipsOf(accountId: string): Promise<Memberships> {
    const organisations = byName(this.#organisations.values()).flatMap(({ id, name }) => {
      const role = this.#membersOf(id).get(accountId)?.role;
      return role === undefined ? [] : [{ name, role }];
    });
    const teams = [...this.#teams.values()].flatMap((team) => {
      const memberRole = team.members.get(accountId)?.role;
      if (memberRole === undefined) return [];
      const { organisation, name, role } = this.#team(team);
      return [{ organisation, name, role, memberRole }];
    });
    return { organisations, teams: teams.sort((left, right) => (groupOf(left) < groupOf(right) ? -1 : 1)) };
  }

  async claimNamespace(namespace: KnownNamespace, audit: AuditEntry): Promise<"claimed" | "taken"> {
    if (this.#namespaces.has(namespace.name)) return "taken";
    this.#namespaces.set(namespace.name, namespace);
    this.#record(audit);
    return "claimed";
  }

  #namespace({ name, organisationId, teamId, proof, created }: KnownNamespace): Namespace {
    const team = teamId === undefined ? {} : { team: this.#teams.get(teamId)!.name };
    return { name, organisation: this.#organisations.get(organisationId)!.name, ...team, proof, created };
  }

  async namespace(name: string): Promise<Namespace | undefined> {
    const known = this.#namespaces.get(name);
    return known && this.#namespace(known);
  }

  async namespacesOf(organisationId: string): Promise<readonly Namespace[]> {
    const own = byName(this.#namespaces.values()).filter((namespace) => namespace.organisationId === organisationId);
    return own.map((namespace) => this.#namespace(namespace));
  }

  async similarNamespaces(skeleton: string, name: string): Promise<readonly string[]> {
    const used = this.#packages.names().flatMap((canonical) => splitName(canonical).namespace ?? []);
    const names = new Set([...this.#namespaces.keys(), ...used]);
    return [...names].filter((other) => other !== name && nameSkeleton(other as CanonicalName) === skeleton).sort();
  }

  async namespaceOwners(name: string): Promise<readonly string[]> {
    const inside = this.#packages.names().filter((canonical) => splitName(canonical).namespace === name);
    const owners = inside.flatMap((canonical) => this.#packages.accounts(canonical) ?? []);
    return [...new Set(owners.map(({ username }) => username))].sort();
  }

  async setNamespaceTeam(name: string, teamId: string | undefined, audit: AuditEntry): Promise<void> {
    const { teamId: _, ...namespace } = this.#namespaces.get(name)!;
    this.#namespaces.set(name, { ...namespace, ...(teamId === undefined ? {} : { teamId }) });
    this.#record(audit);
  }

  async releaseNamespace(name: string, audit: AuditEntry): Promise<boolean> {
    if (!this.#namespaces.delete(name)) return false;
    this.#record(audit);
    return true;
  }

  async ownerTeams(canonical: CanonicalName): Promise<readonly Team[]> {
    return this.#packages.teams(canonical).map((id) => this.#team(this.#teams.get(id)!));
  }

  /** Everybody who owns a package: user names, then teams as `team:o/t`. */
  ownerNames(canonical: CanonicalName): readonly string[] {
    const accounts = this.#packages.accounts(canonical) ?? [];
    const teams = this.#packages.teams(canonical).map((id) => this.#team(this.#teams.get(id)!));
    return [...accounts.map(({ username }) => username), ...teams.map((team) => `${TEAM_PREFIX}${groupOf(team)}`)];
  }

  async addOwnerTeam(
    canonical: CanonicalName,
    team: Team,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    check?.(this.ownerNames(canonical));
    const owners = this.#packages.teams(canonical);
    if (this.#packages.accounts(canonical) === undefined || owners.includes(team.id)) return "unchanged";
    owners.push(team.id);
    this.#packages.log("add", canonical, team, audit);
    this.#record(audit);
    return "changed";
  }

  async removeOwnerTeam(
    canonical: CanonicalName,
    team: Team,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    check?.(this.ownerNames(canonical));
    if (!this.#packages.teams(canonical).includes(team.id)) return "unchanged";
    if (this.#ownerCount(canonical) === 1) return "last-owner";
    this.#disown(canonical, team.id, audit);
    this.#record(audit);
    return "changed";
  }

  async createInvitation({ codeHash, ...invitation }: NewInvitation, audit: AuditEntry): Promise<void> {
    const inviter = this.#accounts.get(invitation.inviterId)!.username;
    this.#invitations.set(invitation.id, { ...invitation, inviter, codeHash, state: "open" });
    this.#record(audit);
  }

  #invitation(known: KnownInvitation): Invitation {
    const { id, organisationId, teamId, accountId, email, role, inviter, created, expires, state } = known;
    return {
      id,
      organisation: this.#organisations.get(organisationId)!.name,
      ...(teamId === undefined ? {} : { team: this.#teams.get(teamId)!.name }),
      role,
      ...(accountId === undefined ? {} : { username: this.#accounts.get(accountId)!.username }),
      ...(email === undefined ? {} : { email }),
      inviter,
      created,
      expires,
      state,
    };
  }

  #open(now: number, wanted: (invitation: KnownInvitation) => boolean): readonly Invitation[] {
    const open = [...this.#invitations.values()].filter(({ state, expires }) => state === "open" && expires > now);
    return open.filter(wanted).map((invitation) => this.#invitation(invitation));
  }

  async invitation(id: string): Promise<Invitation | undefined> {
    const known = this.#invitations.get(id);
    return known && this.#invitation(known);
  }

  async invitationByCode(codeHash: string): Promise<Invitation | undefined> {
    return this.#open(Number.NEGATIVE_INFINITY, (invitation) => invitation.codeHash === codeHash)[0];
  }

  async invitationsOf(organisationId: string, now: number): Promise<readonly Invitation[]> {
    return this.#open(now, (invitation) => invitation.organisationId === organisationId);
  }

  async invitationsFor(accountId: string, now: number): Promise<readonly Invitation[]> {
    return this.#open(now, (invitation) => invitation.accountId === accountId);
  }

  #close(id: string, state: InvitationState, { at }: AuditEntry): KnownInvitation | undefined {
    const known = this.#invitations.get(id);
    if (known?.state !== "open" || known.expires <= at) return undefined;
    known.state = state;
    known.codeHash = undefined;
    return known;
  }

  async acceptInvitation(id: string, account: Account, audit: AuditEntry): Promise<InvitationOutcome> {
    const known = this.#close(id, "accepted", audit);
    if (known === undefined) return "closed";
    const members = this.#membersOf(known.organisationId);
    const before = members.get(account.id);
    const rank = (role: OrganisationRole | undefined): number =>
      role === undefined ? -1 : ORGANISATION_ROLES.indexOf(role);
    const role = rank(before?.role) > rank(known.role) ? before!.role : known.role;
    members.set(account.id, { account, role, since: before?.since ?? audit.at });
    const team = known.teamId === undefined ? undefined : this.#teams.get(known.teamId);
    if (team?.members.has(account.id) === false)
      team.members.set(account.id, { account, role: "member", since: audit.at });
    this.#record(audit);
    return "done";
  }

  async closeInvitation(id: string, state: "declined" | "revoked", audit: AuditEntry): Promise<InvitationOutcome> {
    if (this.#close(id, state, audit) === undefined) return "closed";
    this.#record(audit);
    return "done";
  }
}
