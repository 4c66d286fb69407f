import { splitName, type CanonicalName } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import type { Account, Scope } from "../records.ts";
import type { Groups } from "./groups.ts";
import { TEAM_PREFIX, groupOf, type Memberships, type Namespace, type Team, type TeamRole } from "./organisation.ts";

/** What an account may do with a package, and whether that is because it is itself one of the owners. */
export interface RightsOnPackage {
  readonly scopes: ReadonlySet<Scope>;
  readonly direct: boolean;
}

const TEAM_SCOPES: Readonly<Record<TeamRole, readonly Scope[]>> = {
  read: ["read"],
  publish: ["read", "publish", "yank"],
  maintain: ["read", "publish", "yank", "owner"],
};
const ALL: readonly Scope[] = TEAM_SCOPES.maintain;

interface Question {
  readonly memberships: Memberships;
  readonly namespace: Namespace | undefined;
  /** Whether the account is one of the owners. */
  readonly direct: boolean;
  readonly ownerTeams: readonly Team[];
}

function roleIn({ organisations }: Memberships, organisation: string) {
  return organisations.find(({ name }) => name === organisation)?.role;
}

function isIn({ teams }: Memberships, team: Pick<Team, "organisation" | "name">): boolean {
  return teams.some((own) => groupOf(own) === groupOf(team));
}

/** Whether a team works in a namespace: it is the organisation's, and the namespace is not another team's alone. */
function worksIn(team: Pick<Team, "organisation" | "name">, { organisation, team: only }: Namespace): boolean {
  return team.organisation === organisation && (only === undefined || only === team.name);
}

/** Each rule gives rights by itself; they add up. */
const RULES: readonly ((question: Question) => readonly Scope[])[] = [
  // In a namespace that belongs to an organisation, only its members own packages: whoever left has lost them.
  ({ direct, namespace, memberships }) =>
    direct && (namespace === undefined || roleIn(memberships, namespace.organisation) !== undefined) ? ALL : [],
  ({ namespace, memberships }) =>
    namespace !== undefined && ["owner", "maintainer"].includes(roleIn(memberships, namespace.organisation) ?? "")
      ? ALL
      : [],
  ({ namespace, memberships }) =>
    namespace !== undefined && memberships.teams.some((team) => team.role === "maintain" && worksIn(team, namespace))
      ? ALL
      : [],
  ({ ownerTeams, namespace, memberships }) =>
    ownerTeams
      .filter((team) => namespace === undefined || team.organisation === namespace.organisation)
      .filter((team) => isIn(memberships, team))
      .flatMap(({ role }) => TEAM_SCOPES[role]),
  // Owners of an organisation have what its teams have, so that a team without members locks nobody out.
  ({ ownerTeams, namespace, memberships }) =>
    ownerTeams
      .filter((team) => namespace === undefined || team.organisation === namespace.organisation)
      .some((team) => roleIn(memberships, team.organisation) === "owner")
      ? ALL
      : [],
];

/** What the rules give; pure, for whoever has the facts. */
export function rightsOf(question: Question): RightsOnPackage {
  const scopes = new Set(RULES.flatMap((rule) => rule(question)));
  return { scopes, direct: question.direct && scopes.has("owner") };
}

/** Whether members of these teams and organisations create packages in a namespace. */
export function mayCreateIn(namespace: Namespace, memberships: Memberships): boolean {
  if (["owner", "maintainer"].includes(roleIn(memberships, namespace.organisation) ?? "")) return true;
  return memberships.teams.some((team) => team.role !== "read" && worksIn(team, namespace));
}

/** Who may do what with packages, by owners, teams and namespaces. */
export class PackageRights {
  readonly #metadata: Pick<MetadataStore, "organisations" | "owners">;
  readonly #groups: Groups;

  constructor(options: {
    readonly metadata: Pick<MetadataStore, "organisations" | "owners">;
    readonly groups: Groups;
  }) {
    this.#metadata = options.metadata;
    this.#groups = options.groups;
  }

  /** The organisation's namespace that a package is in, where it is in one. */
  async namespaceOf(canonical: CanonicalName): Promise<Namespace | undefined> {
    const { namespace } = splitName(canonical);
    return namespace === undefined ? undefined : this.#metadata.organisations.namespace(namespace);
  }

  /** What an account may do with a package that exists, apart from being an admin. */
  async on(account: Account, canonical: CanonicalName): Promise<RightsOnPackage> {
    const [memberships, namespace, owners, ownerTeams] = await Promise.all([
      this.#groups.membershipsOf(account.id),
      this.namespaceOf(canonical),
      this.#metadata.owners(canonical),
      this.#metadata.organisations.ownerTeams(canonical),
    ]);
    return rightsOf({ memberships, namespace, ownerTeams, direct: owners.includes(account.username) });
  }

  /** Whether an account creates packages in a namespace that belongs to an organisation. */
  async mayCreate(account: Account, namespace: Namespace): Promise<boolean> {
    return mayCreateIn(namespace, await this.#groups.membershipsOf(account.id));
  }

  /** Whether an account may be an owner of packages in a namespace: a member of its organisation. */
  async isMember(account: Account, organisation: string): Promise<boolean> {
    return roleIn(await this.#groups.membershipsOf(account.id), organisation) !== undefined;
  }

  /** Everybody who owns a package: user names, then teams as `team:o/t`. */
  async ownersOf(canonical: CanonicalName): Promise<readonly string[]> {
    const [owners, teams] = await Promise.all([
      this.#metadata.owners(canonical),
      this.#metadata.organisations.ownerTeams(canonical),
    ]);
    return [...owners, ...teams.map((team) => `${TEAM_PREFIX}${groupOf(team)}`)];
  }
}
