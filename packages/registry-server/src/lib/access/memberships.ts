import type { Cache } from "../ports.ts";

/** Names of the groups that an account is in, by one source: a directory, or the teams of organisations. */
export type GroupsOf = (accountId: string) => Promise<readonly string[]>;

/** How long the groups of an account may be remembered, in milliseconds. */
export const GROUPS_DELAY_MS = 5000;

/** The groups of accounts from all sources together, remembered for at most {@link GROUPS_DELAY_MS}. */
export class Memberships {
  readonly #cache: Cache;
  readonly #sources: readonly GroupsOf[];

  constructor(cache: Cache, sources: readonly GroupsOf[]) {
    this.#cache = cache;
    this.#sources = sources;
  }

  /** Every group of an account, sorted. */
  async of(accountId: string): Promise<readonly string[]> {
    const key = `groups:${accountId}`;
    const known = await this.#cache.get(key);
    if (known !== undefined) return JSON.parse(known) as string[];
    const found = await Promise.all(this.#sources.map((source) => source(accountId)));
    const groups = [...new Set(found.flat())].sort();
    await this.#cache.set(key, JSON.stringify(groups), GROUPS_DELAY_MS);
    return groups;
  }

  /** Forgets what is remembered of an account, on this server or on all that share the cache. */
  async forget(accountId: string): Promise<void> {
    await this.#cache.delete(`groups:${accountId}`);
  }
}
