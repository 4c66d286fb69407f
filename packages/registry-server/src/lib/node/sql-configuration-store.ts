import type { Kysely, Selectable, Transaction } from "kysely";
import { parseDigest } from "@lading/core-manifest";
import {
  isUnchanged,
  type ConfigurationChange,
  type ConfigurationStore,
  type SharedConfiguration,
} from "../configurations/configuration-store.ts";
import { configurationEntry } from "../trust/log-entries.ts";
import { record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { appendEntry } from "./sql-packages.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type Row = Selectable<Tables["configurations"]>;

/** `undefined` for the row of a removal. */
function toConfiguration(row: Row | undefined): SharedConfiguration | undefined {
  if (row === undefined || row.text === null || row.digest === null) return undefined;
  const { name, revision, text, author, created, leaf } = row;
  return {
    name,
    revision,
    text,
    digest: parseDigest(row.digest),
    isPublic: row.is_public === 1,
    author,
    created,
    leaf,
  };
}

async function newestRow(session: Session, organisationId: string, name: string): Promise<Row | undefined> {
  return session
    .selectFrom("configurations")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name)
    .orderBy("revision", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** The {@link ConfigurationStore} over SQL. */
export class SqlConfigurationStore implements ConfigurationStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async configurations(organisationId: string): Promise<readonly SharedConfiguration[]> {
    const rows = await this.#engine.db
      .selectFrom("configurations")
      .selectAll()
      .where("organisation_id", "=", organisationId)
      .orderBy("name")
      .orderBy("revision")
      .execute();
    const newest = new Map(rows.map((row) => [row.name, row]));
    const found = [...newest.values()].map(toConfiguration).filter((one) => one !== undefined);
    // Databases sort text by rules of their own.
    return found.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async configuration(
    organisationId: string,
    name: string,
    revision?: number,
  ): Promise<SharedConfiguration | undefined> {
    const newest = await newestRow(this.#engine.db, organisationId, name);
    if (newest === undefined || newest.text === null) return undefined;
    if (revision === undefined || revision === newest.revision) return toConfiguration(newest);
    const row = await this.#engine.db
      .selectFrom("configurations")
      .selectAll()
      .where("organisation_id", "=", organisationId)
      .where("name", "=", name)
      .where("revision", "=", revision)
      .executeTakeFirst();
    return toConfiguration(row);
  }

  async change({
    organisation,
    name,
    content,
    audit,
    check,
  }: ConfigurationChange): Promise<SharedConfiguration | undefined> {
    return this.#engine.write(async (session) => {
      const newest = await newestRow(session, organisation.id, name);
      const current = toConfiguration(newest);
      check(current);
      if (isUnchanged(current, content)) return current;
      if (current === undefined && content === undefined) return undefined;
      const revision = (newest?.revision ?? 0) + 1;
      const named = { organisation: organisation.name, configuration: name, revision };
      const leaf = await appendEntry(session, configurationEntry(named, content?.digest, audit));
      const row = {
        organisation_id: organisation.id,
        name,
        revision,
        text: content?.text ?? null,
        digest: content?.digest ?? null,
        is_public: content?.isPublic === true ? 1 : 0,
        author: audit.actor,
        created: audit.at,
        leaf,
      };
      await session.insertInto("configurations").values(row).execute();
      await record(session, { ...audit, details: { ...audit.details, revision } });
      return content === undefined ? current : toConfiguration(row);
    });
  }
}
