import type { PublicationRule } from "../governance/publication-policy.ts";
import type { DirectoryTeam } from "../organisations/groups.ts";
import { parseTeamName } from "../organisations/organisation.ts";
import type { AccessRule } from "./access-policy.ts";

const REVIEWING_GROUP = "group:";

/** Where an operator gives teams rights by their names. */
export interface NamingRules {
  readonly access: readonly AccessRule[];
  readonly publication: readonly PublicationRule[];
  readonly directoryTeams: readonly DirectoryTeam[];
}

/**
 * Organisations to whose teams an operator's rules give rights, by name: whoever created one of that name would have the
 * rights.
 */
export function namedOrganisations({ access, publication, directoryTeams }: NamingRules): ReadonlySet<string> {
  const groups = [
    ...access.flatMap(({ readGroups, writeGroups, adminGroups }) => [...readGroups, ...writeGroups, ...adminGroups]),
    ...publication
      .flatMap(({ reviewers = [] }) => reviewers)
      .filter((reviewer) => reviewer.startsWith(REVIEWING_GROUP))
      .map((reviewer) => reviewer.slice(REVIEWING_GROUP.length)),
  ];
  const named = groups.flatMap((group) => parseTeamName(group)?.organisation ?? []);
  return new Set([...named, ...directoryTeams.map(({ organisation }) => organisation)]);
}
