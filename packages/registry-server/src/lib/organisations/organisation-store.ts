import type { CanonicalName } from "@lading/core-manifest";
import type { OwnerOutcome, OwnersCheck } from "./package-owners.ts";
import type { Account, AuditEntry, Page, PageRequest } from "../records.ts";
import type {
  Invitation,
  Member,
  Memberships,
  Namespace,
  Organisation,
  OrganisationRole,
  ReservedOrganisation,
  Team,
  TeamMemberRole,
  TeamRole,
} from "./organisation.ts";

/** How a change of members ended. */
export type MemberOutcome = "changed" | "unchanged" | "last-owner" | "not-member";

/** How an answer to an invitation was taken; `closed` where it was answered, revoked or expired before. */
export type InvitationOutcome = "done" | "closed";

/** An invitation as it is stored. */
export interface NewInvitation extends Omit<Invitation, "organisation" | "team" | "username" | "inviter" | "state"> {
  readonly organisationId: string;
  readonly teamId?: string;
  readonly accountId?: string;
  readonly inviterId: string;
  /** SHA-256 in hexadecimal of the code that opens an invitation by mail. */
  readonly codeHash?: string;
}

/**
 * Organisations, their members and teams, the namespaces that are theirs, and the packages that teams own. Changes are one
 * transaction with their audit record, and survive a power failure when they resolve. "Not found" is `undefined`.
 */
export interface OrganisationStore {
  /**
   * Creates it with its first owner. `reserved` where one of that name was removed, unless `takesReserved`, which ends the
   * reservation: what names it from outside, such as access rules, must not come to mean strangers.
   */
  createOrganisation(
    organisation: Organisation,
    owner: Account,
    audit: AuditEntry,
    options?: { readonly takesReserved?: boolean },
  ): Promise<"created" | "exists" | "reserved">;
  /** Names of organisations that were removed, in their order. */
  reservedOrganisations(): Promise<readonly ReservedOrganisation[]>;
  /** Lets anybody take such a name again; `false` where it is not reserved. */
  releaseOrganisation(name: string, audit: AuditEntry): Promise<boolean>;
  organisation(name: string): Promise<Organisation | undefined>;
  /** In order of their names. */
  organisations(page: PageRequest): Promise<Page<Organisation>>;
  setTitle(organisationId: string, title: string | undefined, audit: AuditEntry): Promise<void>;
  /** Reserves its name. `in-use` while it has namespaces, or a team of it owns packages. */
  removeOrganisation(organisationId: string, audit: AuditEntry): Promise<"removed" | "in-use">;

  /** In order of their user names. */
  members(organisationId: string): Promise<readonly Member<OrganisationRole>[]>;
  /** Adds a member or changes the role of one; the last owner stays owner. */
  setMember(
    organisationId: string,
    account: Account,
    role: OrganisationRole,
    audit: AuditEntry,
  ): Promise<MemberOutcome>;
  /** Removes a member, also from all teams; the last owner stays. */
  removeMember(organisationId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome>;

  createTeam(
    team: Omit<Team, "organisation"> & { readonly organisationId: string },
    audit: AuditEntry,
  ): Promise<"created" | "exists">;
  team(organisation: string, name: string): Promise<Team | undefined>;
  /** In order of their names. */
  teams(organisationId: string): Promise<readonly Team[]>;
  updateTeam(
    teamId: string,
    change: { readonly title?: string | undefined; readonly role: TeamRole },
    audit: AuditEntry,
  ): Promise<void>;
  /** `last-owner` where a package would have no owner left. Namespaces that were its alone are every team's. */
  removeTeam(teamId: string, audit: AuditEntry): Promise<"removed" | "last-owner">;
  /** In order of their user names. */
  teamMembers(teamId: string): Promise<readonly Member<TeamMemberRole>[]>;
  /** Adds a member of the organisation, or changes the role of one; `not-member` where the account is none. */
  setTeamMember(teamId: string, account: Account, role: TeamMemberRole, audit: AuditEntry): Promise<MemberOutcome>;
  removeTeamMember(teamId: string, account: Account, audit: AuditEntry): Promise<MemberOutcome>;

  membershipsOf(accountId: string): Promise<Memberships>;

  /** `taken` where the namespace is another's, or its own already. */
  claimNamespace(
    namespace: Omit<Namespace, "organisation" | "team"> & {
      readonly organisationId: string;
      readonly skeleton: string;
    },
    audit: AuditEntry,
  ): Promise<"claimed" | "taken">;
  namespace(name: string): Promise<Namespace | undefined>;
  /** In order of their names. */
  namespacesOf(organisationId: string): Promise<readonly Namespace[]>;
  /** Namespaces that skeleton, claimed or with packages, other than `name` itself. */
  similarNamespaces(skeleton: string, name: string): Promise<readonly string[]>;
  /** User names of the owners of packages in a namespace, each once. */
  namespaceOwners(name: string): Promise<readonly string[]>;
  /** Names the only team that creates packages in the namespace; `undefined`: every team. */
  setNamespaceTeam(name: string, teamId: string | undefined, audit: AuditEntry): Promise<void>;
  /** Gives a namespace up; its packages keep their owners. */
  releaseNamespace(name: string, audit: AuditEntry): Promise<boolean>;

  /** Teams that own a package, in order of their addition. */
  ownerTeams(canonical: CanonicalName): Promise<readonly Team[]>;
  /** As `MetadataStore.addOwner`, for a team. */
  addOwnerTeam(canonical: CanonicalName, team: Team, audit: AuditEntry, check?: OwnersCheck): Promise<OwnerOutcome>;
  removeOwnerTeam(canonical: CanonicalName, team: Team, audit: AuditEntry, check?: OwnersCheck): Promise<OwnerOutcome>;

  createInvitation(invitation: NewInvitation, audit: AuditEntry): Promise<void>;
  invitation(id: string): Promise<Invitation | undefined>;
  /** The open invitation by mail that a code opens, given its hash. */
  invitationByCode(codeHash: string): Promise<Invitation | undefined>;
  /** Open ones of an organisation that did not expire before `now`, oldest first. */
  invitationsOf(organisationId: string, now: number): Promise<readonly Invitation[]>;
  /** Open ones that an account got by its name and that did not expire before `now`, oldest first. */
  invitationsFor(accountId: string, now: number): Promise<readonly Invitation[]>;
  /** Makes the account a member, with the role unless it has a higher one, and puts it in the team. */
  acceptInvitation(id: string, account: Account, audit: AuditEntry): Promise<InvitationOutcome>;
  /** Ends an open invitation without a member. */
  closeInvitation(id: string, state: "declined" | "revoked", audit: AuditEntry): Promise<InvitationOutcome>;
}
