import type { Cache, MetadataStore } from "../ports.ts";
import { groupOf, parseTeamName, type Memberships, type TeamRole } from "./organisation.ts";

/** How long memberships may be remembered: the longest delay until a removal is felt. */
export const MEMBERSHIP_TTL_MS = 5000;

/** Members of a group of the directory are members of a team. */
export interface DirectoryTeam {
  readonly group: string;
  readonly organisation: string;
  readonly team: string;
}

/** Which groups an account is in; what rules that name groups ask. */
export interface Groups {
  /**
   * Sorted, each once: `o/t` for every team `t` of organisation `o`, and the groups of the directory or provider that the
   * account comes from. A name of the form `o/t` always means a team: a directory's group of that form does not count
   * unless the operator maps it to the team. At most {@link MEMBERSHIP_TTL_MS} old.
   */
  groupsOf(accountId: string): Promise<readonly string[]>;
  /** Organisations and teams of an account, those that a directory's groups bring included. At most as old. */
  membershipsOf(accountId: string): Promise<Memberships>;
  /** Forgets what is remembered of an account on this server. */
  forget(accountId: string): Promise<void>;
}

interface Remembered {
  readonly groups: readonly string[];
  readonly memberships: Memberships;
}

/** {@link Groups} over the metadata store. */
export class StoredGroups implements Groups {
  readonly #metadata: Pick<MetadataStore, "identities" | "organisations">;
  readonly #cache: Cache;
  readonly #mapped: readonly DirectoryTeam[];

  constructor(options: {
    readonly metadata: Pick<MetadataStore, "identities" | "organisations">;
    readonly cache: Cache;
    readonly directoryTeams: readonly DirectoryTeam[];
  }) {
    this.#metadata = options.metadata;
    this.#cache = options.cache;
    this.#mapped = options.directoryTeams;
  }

  async groupsOf(accountId: string): Promise<readonly string[]> {
    return (await this.#remembered(accountId)).groups;
  }

  async membershipsOf(accountId: string): Promise<Memberships> {
    return (await this.#remembered(accountId)).memberships;
  }

  async forget(accountId: string): Promise<void> {
    await this.#cache.delete(`memberships:${accountId}`);
  }

  async #remembered(accountId: string): Promise<Remembered> {
    const key = `memberships:${accountId}`;
    const known = await this.#cache.get(key);
    if (known !== undefined) return JSON.parse(known) as Remembered;
    const loaded = await this.#load(accountId);
    await this.#cache.set(key, JSON.stringify(loaded), MEMBERSHIP_TTL_MS);
    return loaded;
  }

  async #load(accountId: string): Promise<Remembered> {
    const { identities, organisations } = this.#metadata;
    const [own, directory] = await Promise.all([
      organisations.membershipsOf(accountId),
      identities.groupsOf(accountId),
    ]);
    const memberships = await this.#withDirectory(own, directory);
    const foreign = directory.filter((group) => parseTeamName(group) === undefined);
    return { groups: [...new Set([...foreign, ...memberships.teams.map(groupOf)])].sort(), memberships };
  }

  async #withDirectory(own: Memberships, directory: readonly string[]): Promise<Memberships> {
    const organisations = [...own.organisations];
    const teams = [...own.teams];
    for (const { group, organisation, team } of this.#mapped) {
      if (!directory.includes(group)) continue;
      if (teams.some((known) => known.organisation === organisation && known.name === team)) continue;
      // A team that was removed, or not created yet, brings nothing.
      const found = await this.#metadata.organisations.team(organisation, team);
      if (found === undefined) continue;
      const role: TeamRole = found.role;
      teams.push({ organisation, name: team, role });
      if (!organisations.some(({ name }) => name === organisation))
        organisations.push({ name: organisation, role: "member" });
    }
    return { organisations, teams };
  }
}
