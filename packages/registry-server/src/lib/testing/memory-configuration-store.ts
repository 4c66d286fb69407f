import {
  isUnchanged,
  type ConfigurationChange,
  type ConfigurationStore,
  type SharedConfiguration,
} from "../configurations/configuration-store.ts";
import type { AuditEntry } from "../records.ts";
import { configurationEntry } from "../trust/log-entries.ts";

/** What a {@link MemoryConfigurationStore} needs of the metadata store that it is of. */
export interface ConfigurationSurroundings {
  readonly record: (audit: AuditEntry) => void;
  /** Appends to the log and answers the entry's index. */
  readonly append: (entry: Uint8Array) => number;
}

/** The {@link ConfigurationStore} in memory. */
export class MemoryConfigurationStore implements ConfigurationStore {
  readonly #store: ConfigurationSurroundings;
  /** By organisation and name; `undefined` stands for a removal. */
  readonly #revisions = new Map<string, (SharedConfiguration | undefined)[]>();

  constructor(store: ConfigurationSurroundings) {
    this.#store = store;
  }

  #of(organisationId: string, name: string): (SharedConfiguration | undefined)[] {
    const key = `${organisationId} ${name}`;
    const known = this.#revisions.get(key) ?? [];
    this.#revisions.set(key, known);
    return known;
  }

  async configurations(organisationId: string): Promise<readonly SharedConfiguration[]> {
    const own = [...this.#revisions].filter(([key]) => key.startsWith(`${organisationId} `));
    const newest = own.map(([, revisions]) => revisions.at(-1)).filter((one) => one !== undefined);
    return newest.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async configuration(
    organisationId: string,
    name: string,
    revision?: number,
  ): Promise<SharedConfiguration | undefined> {
    const revisions = this.#of(organisationId, name);
    if (revisions.at(-1) === undefined) return undefined;
    return revision === undefined ? revisions.at(-1) : revisions[revision - 1];
  }

  async change({
    organisation,
    name,
    content,
    audit,
    check,
  }: ConfigurationChange): Promise<SharedConfiguration | undefined> {
    const revisions = this.#of(organisation.id, name);
    const current = revisions.at(-1);
    check(current);
    if (isUnchanged(current, content)) return current;
    if (current === undefined && content === undefined) return undefined;
    const revision = revisions.length + 1;
    const named = { organisation: organisation.name, configuration: name, revision };
    const leaf = this.#store.append(configurationEntry(named, content?.digest, audit));
    const next =
      content === undefined ? undefined : { name, revision, ...content, author: audit.actor, created: audit.at, leaf };
    revisions.push(next);
    this.#store.record({ ...audit, details: { ...audit.details, revision } });
    return next ?? current;
  }
}
