import { NAME_PART_MAX_LENGTH } from "@lading/core-manifest";

/** What a member may do in an organisation: owners everything, maintainers its packages, members what their teams may. */
export type OrganisationRole = "owner" | "maintainer" | "member";

/** Every {@link OrganisationRole}, weakest first. */
export const ORGANISATION_ROLES: readonly OrganisationRole[] = ["member", "maintainer", "owner"];

/**
 * What a team may do: `maintain` everything with the packages that it owns and with all of its organisation's namespaces;
 * `publish` create packages in them, and publish and yank its own; `read` be named where rights to read are given.
 */
export type TeamRole = "maintain" | "publish" | "read";

/** Every {@link TeamRole}, weakest first. */
export const TEAM_ROLES: readonly TeamRole[] = ["read", "publish", "maintain"];

/** Maintainers of a team choose its members. */
export type TeamMemberRole = "maintainer" | "member";

/** Every {@link TeamMemberRole}, weakest first. */
export const TEAM_MEMBER_ROLES: readonly TeamMemberRole[] = ["member", "maintainer"];

/** Many people under one name. Times here and below are milliseconds since the epoch. */
export interface Organisation {
  readonly id: string;
  readonly name: string;
  /** What people read. */
  readonly title?: string;
  readonly created: number;
}

/** The name of an organisation that was removed. */
export interface ReservedOrganisation {
  readonly name: string;
  readonly removed: number;
}

/** Who belongs to an organisation or team. */
export interface Member<Role> {
  readonly username: string;
  readonly role: Role;
  readonly since: number;
}

/** Some members of an organisation, with rights of their own. */
export interface Team {
  readonly id: string;
  /** Name of its organisation. */
  readonly organisation: string;
  readonly name: string;
  readonly title?: string;
  readonly role: TeamRole;
  readonly created: number;
}

/** The first part of package names, which belongs to an organisation. */
export interface Namespace {
  /** In canonical form, without the slash. */
  readonly name: string;
  /** Name of the organisation. */
  readonly organisation: string;
  /** Name of the only team that creates packages in it, beside owners and maintainers of the organisation; absent: every team. */
  readonly team?: string;
  /** How the claim was verified: `name`, `admin`, `dns:<domain>`, or the issuer and the owner of a repository there. */
  readonly proof: string;
  readonly created: number;
}

/** What an account belongs to. */
export interface Memberships {
  readonly organisations: readonly { readonly name: string; readonly role: OrganisationRole }[];
  readonly teams: readonly (Pick<Team, "organisation" | "name" | "role"> & {
    /** Absent for whoever is a member through a group of a directory. */
    readonly memberRole?: TeamMemberRole;
  })[];
}

/** How an invitation stands; one that is `open` may have expired. */
export type InvitationState = "open" | "accepted" | "declined" | "revoked";

/** An offer to join an organisation, and a team of it. */
export interface Invitation {
  readonly id: string;
  /** Name of the organisation. */
  readonly organisation: string;
  /** Name of the team. */
  readonly team?: string;
  readonly role: OrganisationRole;
  /** User name of whoever is invited; absent where it went to an address. */
  readonly username?: string;
  /** Address that the inviter sent the code to. */
  readonly email?: string;
  /** User name. */
  readonly inviter: string;
  readonly created: number;
  readonly expires: number;
  readonly state: InvitationState;
}

/** The form of names of organisations and teams: what is canonical as a part of a package name. */
export const ORGANISATION_NAME: RegExp = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Longest name of an organisation or team, in characters. */
export const ORGANISATION_NAME_MAX_LENGTH: number = NAME_PART_MAX_LENGTH;

/** A team as it is written where accounts could stand too: `team:o/t`. */
export const TEAM_PREFIX = "team:";

/** The group that members of a team are in. */
export function groupOf({ organisation, name }: Pick<Team, "organisation" | "name">): string {
  return `${organisation}/${name}`;
}

/** Organisation and team of `o/t`, or `undefined` where `text` is of another form. */
export function parseTeamName(text: string): { readonly organisation: string; readonly team: string } | undefined {
  const [organisation, team, ...rest] = text.split("/");
  if (organisation === undefined || team === undefined || rest.length > 0) return undefined;
  const isName = (part: string): boolean => part.length <= ORGANISATION_NAME_MAX_LENGTH && ORGANISATION_NAME.test(part);
  return isName(organisation) && isName(team) ? { organisation, team } : undefined;
}
